import { useState } from 'preact/hooks';
import type {
  AlertCondition,
  AlertOperator,
  AlertRule,
  AlertRuleInput,
  BoardStatus,
} from '../../../protocol/fleet/index.ts';
import { language, t, tCode } from '../i18n/index.ts';
import { BOARD_FIELD_NAMES } from '../lib/fields.ts';
import { request } from '../state/api.ts';
import { boards } from '../state/fleet.ts';
import { say } from '../state/toasts.ts';
import { FormDialog } from '../ui/dialog.tsx';
import { Labelled, type Severity } from '../ui/parts.tsx';
import { problemText } from './texts.ts';

const OPERATORS: readonly AlertOperator[] = ['>', '>=', '<', '<=', '==', '!='];
const STATUSES: readonly BoardStatus[] = ['offline', 'stale', 'draining', 'unknown', 'online'];
const KINDS = ['field', 'ratio', 'status', 'health'] as const;
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

/** Paths into telemetry that are no column of a row, as suggestions; any other path works as well. */
const MORE_FIELDS = [
  'system.load1',
  'system.mem_used_bytes',
  'engine.restarts',
  'queue.oldest_ms',
  'queue.rejected_total',
  'power.mean_60s_w',
];

const DERIVED = new Set(['look', 'cloud_share', 'watts_ratio', 'heat_ratio', 'pools', 'health']);

/** A rule's condition for people: `watts > 1.1 × budget_w`. */
export function conditionText(condition: AlertCondition): string {
  switch (condition.kind) {
    case 'field':
      return `${condition.field} ${condition.op} ${String(condition.value)}`;
    case 'ratio':
      return `${condition.field} / ${condition.over} ${condition.op} ${condition.value}`;
    case 'status': {
      const list = new Intl.ListFormat(language.value, { type: 'disjunction' });
      return t('rules.is', {
        list: list.format(condition.statuses.map((status) => tCode('status', status))),
      });
    }
    case 'health':
      return condition.codes.length === 0
        ? t('rules.anyhealth')
        : condition.codes.map((code) => tCode('health', code)).join(', ');
  }
}

type Form = {
  name: string;
  severity: Severity;
  kind: AlertCondition['kind'];
  field: string;
  over: string;
  op: AlertOperator;
  value: string;
  statuses: ReadonlySet<BoardStatus>;
  codes: string;
  forS: string;
  pools: string;
  webhook: string;
  mqtt: boolean;
};

function formOf(rule: AlertRule | null): Form {
  const condition = rule?.condition;
  return {
    name: rule?.name ?? '',
    severity: rule?.severity ?? 'warning',
    kind: condition?.kind ?? 'field',
    field: condition?.kind === 'field' || condition?.kind === 'ratio' ? condition.field : 'soc_c',
    over: condition?.kind === 'ratio' ? condition.over : 'limit_c',
    op: condition?.kind === 'field' || condition?.kind === 'ratio' ? condition.op : '>',
    value:
      condition?.kind === 'field' || condition?.kind === 'ratio' ? String(condition.value) : '80',
    statuses: new Set(condition?.kind === 'status' ? condition.statuses : ['offline']),
    codes: condition?.kind === 'health' ? condition.codes.join(', ') : '',
    forS: String(rule?.for_s ?? 60),
    pools: rule?.boards?.pools?.join(', ') ?? '',
    webhook: rule?.webhook_url ?? '',
    mqtt: rule?.mqtt ?? false,
  };
}

const listOf = (text: string): string[] =>
  text
    .split(/[,\s]+/)
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** A number stays one; `true` and `false` are what they say; the rest is text. */
function valueOf(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}

function conditionOf(form: Form): AlertCondition {
  switch (form.kind) {
    case 'field':
      return { kind: 'field', field: form.field.trim(), op: form.op, value: valueOf(form.value) };
    case 'ratio':
      return {
        kind: 'ratio',
        field: form.field.trim(),
        over: form.over.trim(),
        op: form.op,
        value: Number(form.value),
      };
    case 'status':
      return { kind: 'status', statuses: [...form.statuses] };
    case 'health':
      return { kind: 'health', codes: listOf(form.codes) };
  }
}

export function RuleDialog(props: {
  rule: AlertRule | null;
  onClose: () => void;
  onSaved: () => void;
}) {
  const { rule } = props;
  const [form, setForm] = useState<Form>(() => formOf(rule));
  const [problem, setProblem] = useState<string | null>(null);
  const set = <Name extends keyof Form>(name: Name, value: Form[Name]): void =>
    setForm({ ...form, [name]: value });
  const input = (
    name: 'name' | 'field' | 'over' | 'value' | 'codes' | 'forS' | 'pools' | 'webhook',
  ) => ({
    class: 'field',
    value: form[name],
    onInput: (event: { currentTarget: HTMLInputElement }) => set(name, event.currentTarget.value),
  });

  const save = async (): Promise<void> => {
    const pools = listOf(form.pools);
    const body: AlertRuleInput = {
      name: form.name.trim(),
      enabled: rule?.enabled ?? true,
      severity: form.severity,
      condition: conditionOf(form),
      for_s: Math.round(Number(form.forS)),
      boards: { ...rule?.boards, ...(pools.length > 0 ? { pools } : {}) },
      webhook_url: form.webhook.trim() === '' ? null : form.webhook.trim(),
      mqtt: form.mqtt,
    };
    try {
      if (rule === null) await request('POST', '/api/alert-rules', body);
      else await request('PUT', `/api/alert-rules/${encodeURIComponent(rule.id)}`, body);
      say('ok', t('rules.saved', { name: body.name }));
      props.onSaved();
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  const remove = async (): Promise<void> => {
    if (rule === null) return;
    try {
      await request('DELETE', `/api/alert-rules/${encodeURIComponent(rule.id)}`);
      say('ok', t('rules.deleted', { name: rule.name }));
      props.onSaved();
    } catch (error) {
      setProblem(problemText(error));
    }
  };

  return (
    <FormDialog
      title={t(rule === null ? 'rules.new' : 'rules.edit.title')}
      submit={t('save')}
      problem={problem}
      extra={
        rule === null ? null : (
          <button type="button" class="button danger start" onClick={() => void remove()}>
            {t('rules.delete')}
          </button>
        )
      }
      onSubmit={save}
      onClose={props.onClose}
    >
      <div class="form-row">
        <Labelled text="rules.name" grow>
          <input required maxLength={80} {...input('name')} />
        </Labelled>
        <Labelled text="rules.severity">
          <select
            class="field"
            value={form.severity}
            onChange={(event) => set('severity', event.currentTarget.value as Severity)}
          >
            {SEVERITIES.map((severity) => (
              <option key={severity} value={severity}>
                {t(`severity.${severity}`)}
              </option>
            ))}
          </select>
        </Labelled>
      </div>
      <Labelled text="rules.kind">
        <select
          class="field"
          value={form.kind}
          onChange={(event) => set('kind', event.currentTarget.value as Form['kind'])}
        >
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {t(`rules.kind.${kind}`)}
            </option>
          ))}
        </select>
      </Labelled>
      {form.kind === 'field' || form.kind === 'ratio' ? (
        <div class="form-row">
          <Labelled text="rules.field" grow>
            <input required list="rule-fields" pattern="[a-z0-9_.]+" {...input('field')} />
          </Labelled>
          {form.kind === 'ratio' ? (
            <Labelled text="rules.over" grow>
              <input required list="rule-fields" pattern="[a-z0-9_.]+" {...input('over')} />
            </Labelled>
          ) : null}
          <Labelled text="rules.op">
            <select
              class="field"
              value={form.op}
              onChange={(event) => set('op', event.currentTarget.value as AlertOperator)}
            >
              {OPERATORS.map((op) => (
                <option key={op} value={op}>
                  {op}
                </option>
              ))}
            </select>
          </Labelled>
          <Labelled text="rules.value" grow>
            <input required {...input('value')} />
          </Labelled>
          <datalist id="rule-fields">
            {[...BOARD_FIELD_NAMES]
              .filter((name) => !DERIVED.has(name))
              .map((name) => (
                <option key={name} value={name} />
              ))}
            {MORE_FIELDS.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </div>
      ) : null}
      {form.kind === 'status' ? (
        <fieldset class="checks">
          <legend class="muted">{t('rules.statuses')}</legend>
          {STATUSES.map((status) => (
            <label key={status} class="look">
              <input
                type="checkbox"
                checked={form.statuses.has(status)}
                onChange={(event) => {
                  const next = new Set(form.statuses);
                  if (event.currentTarget.checked) next.add(status);
                  else next.delete(status);
                  set('statuses', next);
                }}
              />
              {tCode('status', status)}
            </label>
          ))}
        </fieldset>
      ) : null}
      {form.kind === 'health' ? (
        <Labelled text="rules.codes">
          <input placeholder="too_hot, under_voltage" {...input('codes')} />
        </Labelled>
      ) : null}
      <div class="form-row">
        <Labelled text="rules.for.label" grow>
          <input type="number" min="0" max="86400" step="1" required {...input('forS')} />
        </Labelled>
        <Labelled text="rules.pools" grow>
          <input list="rule-pools" placeholder={t('rules.pools.all')} {...input('pools')} />
        </Labelled>
        <datalist id="rule-pools">
          {[...new Set([...boards.values()].flatMap(({ pools }) => pools))].map((pool) => (
            <option key={pool} value={pool} />
          ))}
        </datalist>
      </div>
      <Labelled text="rules.webhook">
        <input type="url" placeholder="https://" {...input('webhook')} />
      </Labelled>
      <label class="look">
        <input
          type="checkbox"
          checked={form.mqtt}
          onChange={(event) => set('mqtt', event.currentTarget.checked)}
        />
        {t('rules.mqtt')}
      </label>
    </FormDialog>
  );
}
