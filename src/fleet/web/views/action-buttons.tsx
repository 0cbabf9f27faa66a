import { signal } from '@preact/signals';
import type { ActionVerb } from '../../../protocol/fleet/index.ts';
import { t, type TextKey } from '../i18n/index.ts';
import { may, session } from '../state/session.ts';

/** What the action dialog is open for; null while it is closed. */
export type Intent = { verb: ActionVerb; nodes: readonly string[]; staged: boolean };
export const intent = signal<Intent | null>(null);

const BUTTONS: readonly { verb: ActionVerb; text: TextKey }[] = [
  { verb: 'governor.set', text: 'action.governor.set' },
  { verb: 'drain', text: 'action.drain' },
  { verb: 'resume', text: 'action.resume' },
  { verb: 'restart', text: 'action.restart' },
  { verb: 'model.activate', text: 'action.model.activate' },
  { verb: 'model.rollback', text: 'action.model.rollback' },
];

/** Why nothing can be done from here; null when it can. */
export function whyNot(): string | null {
  const now = session.value;
  if (now === null) return t('loading');
  if (now.read_only !== null) return now.read_only;
  return may('operator') ? null : t('readonly.viewer');
}

export function ActionButtons({ nodes }: { nodes: readonly string[] }) {
  const reason = whyNot();
  const open = (verb: ActionVerb, staged = false): void => {
    intent.value = { verb, nodes, staged };
  };
  return (
    <>
      {BUTTONS.map(({ verb, text }) => (
        <button
          key={verb}
          type="button"
          class="button"
          disabled={reason !== null}
          title={reason ?? ''}
          onClick={() => open(verb)}
        >
          {t(text)}…
        </button>
      ))}
      {nodes.length > 1 ? (
        <button
          type="button"
          class="button"
          disabled={reason !== null}
          title={reason ?? ''}
          onClick={() => open('governor.set', true)}
        >
          {t('action.staged')}…
        </button>
      ) : null}
      {reason === null ? null : <span class="muted">{reason}</span>}
    </>
  );
}
