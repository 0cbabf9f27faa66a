import { useState } from 'preact/hooks';
import type {
  ActionInput,
  ActionRecord,
  ActionVerb,
  RolloutInput,
  RolloutRecord,
} from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { request } from '../state/api.ts';
import { actions, boards, noteAction, noteRollout, rollouts } from '../state/fleet.ts';
import { Dialog, FormDialog } from '../ui/dialog.tsx';
import { Labelled, Segmented } from '../ui/parts.tsx';
import { intent, type Intent } from './action-buttons.tsx';
import { ActionOutcome } from './action-outcome.tsx';
import { problemText, verbText } from './texts.ts';
import { RolloutDetail } from './rollout-detail.tsx';

/** The verbs that can be staged with sense: what a health check can judge afterwards. */
const STAGED_VERBS: readonly ActionVerb[] = [
  'governor.set',
  'model.activate',
  'model.rollback',
  'restart',
  'drain',
  'resume',
];

/** Confirms an action on boards, starts it, and stays to show what became of it. */
export function ActionDialog() {
  const now = intent.value;
  if (now === null) return null;
  // A new intent is a new dialog: nothing of the last one's form must linger.
  return <Form key={`${now.verb} ${now.nodes.join()}`} now={now} />;
}

type Outcome = { kind: 'action'; id: string } | { kind: 'rollout'; id: string };

/** Percent in the form, shares in the API. */
type Stages = { canary: string; wave: string; soak: string; failures: string };

const STAGE_FIELDS = [
  { name: 'canary', min: 0, max: 100, step: 0.1 },
  { name: 'wave', min: 1, max: 100, step: 1 },
  { name: 'soak', min: 0, max: 86_400, step: 1 },
  { name: 'failures', min: 0, step: 1 },
] as const;

function knownModels(nodes: readonly string[]): string[] {
  const models = new Set<string>();
  for (const board of boards.values()) if (board.model !== null) models.add(board.model);
  const own = new Set(nodes.map((node) => boards.get(node)?.model));
  return [...models].sort((a, b) => Number(own.has(a)) - Number(own.has(b)) || a.localeCompare(b));
}

function Form({ now }: { now: Intent }) {
  const { nodes } = now;
  const single = nodes.length === 1 ? boards.get(nodes[0] ?? '') : undefined;
  const [verb, setVerb] = useState<ActionVerb>(now.verb);
  const [staged, setStaged] = useState(now.staged);
  const [budget, setBudget] = useState(String(single?.budget_w ?? 2));
  const [model, setModel] = useState('');
  const [stages, setStages] = useState<Stages>({
    canary: '5',
    wave: '25',
    soak: '300',
    failures: '0',
  });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const close = (): void => {
    intent.value = null;
  };

  const args = (): Record<string, unknown> | null => {
    if (verb === 'governor.set') {
      const watts = Number(budget);
      return Number.isFinite(watts) && watts > 0 ? { budget_w: watts } : null;
    }
    if (verb === 'model.activate') return model.trim() === '' ? null : { model: model.trim() };
    return {};
  };

  const submit = async (): Promise<void> => {
    const given = args();
    if (given === null) {
      setProblem(t(verb === 'governor.set' ? 'action.budget.wrong' : 'action.model.wrong'));
      return;
    }
    setBusy(true);
    setProblem(null);
    const common: ActionInput = {
      verb,
      args: given,
      boards: { nodes: [...nodes] },
      expected_boards: nodes.length,
    };
    try {
      if (staged) {
        const body: RolloutInput = {
          ...common,
          canary_share: Number(stages.canary) / 100,
          wave_share: Number(stages.wave) / 100,
          soak_s: Math.round(Number(stages.soak)),
          max_failures: Math.round(Number(stages.failures)),
        };
        const record = await request<RolloutRecord>('POST', '/api/rollouts', body);
        noteRollout(record);
        setOutcome({ kind: 'rollout', id: record.id });
      } else {
        const record = await request<ActionRecord>('POST', '/api/actions', common);
        noteAction(record);
        setOutcome({ kind: 'action', id: record.id });
      }
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };

  if (outcome !== null) return <Result outcome={outcome} onClose={close} />;

  const away = nodes.filter((node) => {
    const status = boards.get(node)?.status;
    return status !== 'online' && status !== 'draining';
  });

  return (
    <FormDialog
      title={staged ? t('rollout.new') : verbText(verb)}
      submit={
        staged
          ? t('rollout.start')
          : t('action.confirm', {
              verb: verbText(verb),
              boards: t('n.boards', { n: nodes.length }),
            })
      }
      busy={busy}
      problem={problem}
      onSubmit={submit}
      onClose={close}
    >
      <p class="lead">
        {t(`action.${verb}.about`)} {single === undefined ? '' : <b>{single.node}</b>}
      </p>
      {nodes.length > 1 ? (
        <Segmented
          label={t('action.how')}
          value={staged ? 'staged' : 'once'}
          options={[
            { value: 'once', text: t('action.atonce') },
            { value: 'staged', text: t('action.instages') },
          ]}
          onChange={(value) => setStaged(value === 'staged')}
        />
      ) : null}
      {staged ? (
        <Labelled text="action.what">
          <select
            class="field"
            value={verb}
            onChange={(event) => setVerb(event.currentTarget.value as ActionVerb)}
          >
            {STAGED_VERBS.map((each) => (
              <option key={each} value={each}>
                {verbText(each)}
              </option>
            ))}
          </select>
        </Labelled>
      ) : null}
      {verb === 'governor.set' ? (
        <Labelled text="action.budget">
          <input
            class="field"
            type="number"
            min="0.1"
            step="0.05"
            required
            value={budget}
            onInput={(event) => setBudget(event.currentTarget.value)}
          />
        </Labelled>
      ) : null}
      {verb === 'model.activate' ? (
        <Labelled text="action.model">
          <input
            class="field mono"
            list="known-models"
            required
            value={model}
            onInput={(event) => setModel(event.currentTarget.value)}
          />
          <datalist id="known-models">
            {knownModels(nodes).map((id) => (
              <option key={id} value={id} />
            ))}
          </datalist>
        </Labelled>
      ) : null}
      {staged ? (
        <>
          <div class="form-row">
            {STAGE_FIELDS.map(({ name, ...limits }) => (
              <Labelled key={name} text={`rollout.${name}`} grow>
                <input
                  class="field"
                  type="number"
                  {...limits}
                  value={stages[name]}
                  onInput={(event) => setStages({ ...stages, [name]: event.currentTarget.value })}
                />
              </Labelled>
            ))}
          </div>
          <p class="muted">{stagesInWords(nodes.length, stages)}</p>
        </>
      ) : null}
      <p>
        {t('action.on', { boards: t('n.boards', { n: nodes.length }) })}{' '}
        <span class="muted">
          {nodes.slice(0, 6).join(', ')}
          {nodes.length > 6 ? ` ${t('andmore', { n: nodes.length - 6 })}` : ''}
        </span>
      </p>
      {away.length === 0 ? null : (
        <p class="warning-text">{t('action.away', { n: away.length })}</p>
      )}
    </FormDialog>
  );
}

/** What the numbers mean for this many boards. */
function stagesInWords(count: number, stages: Stages): string {
  const canary = Math.max(1, Math.round((count * Number(stages.canary)) / 100));
  const wave = Math.max(1, Math.round((count * Number(stages.wave)) / 100));
  const waves = Math.max(0, Math.ceil((count - canary) / wave));
  return t('rollout.words', {
    canary: t('n.boards', { n: Math.min(canary, count) }),
    wave: t('n.boards', { n: wave }),
    waves,
    least: f().duration(waves * Number(stages.soak)),
  });
}

function Result({ outcome, onClose }: { outcome: Outcome; onClose: () => void }) {
  const action = outcome.kind === 'action' ? actions.value.get(outcome.id) : undefined;
  const rollout = outcome.kind === 'rollout' ? rollouts.value.get(outcome.id) : undefined;
  const verb = action?.verb ?? rollout?.verb;
  return (
    <Dialog
      title={verb === undefined ? t('action.outcome') : verbText(verb)}
      wide
      onClose={onClose}
      footer={
        <>
          {rollout === undefined ? null : (
            <a
              class="button"
              href={`#/rollouts/${encodeURIComponent(rollout.id)}`}
              onClick={onClose}
            >
              {t('rollout.page')}
            </a>
          )}
          <button type="button" class="button main" onClick={onClose}>
            {t('close')}
          </button>
        </>
      }
    >
      {action === undefined ? null : <ActionOutcome action={action} />}
      {rollout === undefined ? null : <RolloutDetail rollout={rollout} />}
    </Dialog>
  );
}
