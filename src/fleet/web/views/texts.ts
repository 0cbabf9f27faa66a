import type { ActionStatus, ActionVerb } from '../../../protocol/fleet/index.ts';
import { t } from '../i18n/index.ts';
import { isApiError } from '../state/api.ts';

export const verbText = (verb: ActionVerb): string => t(`action.${verb}`);
export const statusText = (status: ActionStatus): string => t(`result.${status}`);

/** What went wrong, in words; the code stays, since that is what one searches for. */
export function problemText(error: unknown): string {
  if (!isApiError(error)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'offline') return t('problem.offline');
  return `${error.message} (${error.code})`;
}

/** A value that came as JSON, for people. */
export const valueText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');

/** Arguments of an action for people: `budget_w 2.5`. */
export const argsText = (args: Record<string, unknown>): string =>
  Object.entries(args)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(', ');
