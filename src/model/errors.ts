import { isErrno, TwowattError } from '../core/index.ts';

/** What exactly is wrong with a model folder; all of them leave the product as `model_unavailable`. */
export type ModelFault =
  | 'missing_file'
  | 'unreadable'
  | 'truncated'
  | 'bad_header'
  | 'wrong_dtype'
  | 'missing_tensor'
  | 'wrong_shape'
  | 'bad_config'
  | 'unknown_model_type'
  | 'unsupported_config'
  | 'bad_tokenizer'
  | 'bad_manifest'
  | 'bad_gate'
  | 'corrupt'
  | 'disk_full'
  | 'folder_in_use';

/** `param` names the tensor, the file or the config key that the fault is about. */
export class ModelError extends TwowattError {
  readonly fault: ModelFault;

  constructor(fault: ModelFault, param: string, message: string, cause?: unknown) {
    super('model_unavailable', message, { param, ...(cause === undefined ? {} : { cause }) });
    this.name = 'ModelError';
    this.fault = fault;
  }
}

/** A file system error met while reading a model's `file`, in words. */
export function fromReadError(error: unknown, file: string): Error {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
    return new ModelError('missing_file', file, `${file} is missing`, error);
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EISDIR', 'EIO')) {
    return new ModelError('unreadable', file, `${file} cannot be read: ${error.message}`, error);
  }
  return error instanceof Error ? error : new Error(String(error));
}
