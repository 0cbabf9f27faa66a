import { TwowattError, type ErrorOptions } from '../../core/index.ts';
import type { ModelTrouble } from '../messages.ts';

/** A model that cannot be served, with the health condition that it means. */
export class LoadError extends TwowattError {
  readonly trouble: ModelTrouble;
  constructor(trouble: ModelTrouble, message: string, options: ErrorOptions = {}) {
    super('model_unavailable', message, options);
    this.name = 'LoadError';
    this.trouble = trouble;
  }
}
