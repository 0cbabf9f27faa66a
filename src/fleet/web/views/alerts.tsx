import { useState } from 'preact/hooks';
import type { AlertRecord, AlertRule, AlertRulesResponse } from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { get, request } from '../state/api.ts';
import { alerts, boards, boardsLoaded, firing, noteAlert, serverNow } from '../state/fleet.ts';
import { tick } from '../state/tick.ts';
import { useLoad } from '../state/use-load.ts';
import { Glyph } from '../ui/glyph.tsx';
import {
  Empty,
  Labelled,
  Loading,
  LookMark,
  Panel,
  Problem,
  Segmented,
  SeverityMark,
} from '../ui/parts.tsx';
import { FormDialog } from '../ui/dialog.tsx';
import { say } from '../state/toasts.ts';
import { whyNot } from './action-buttons.tsx';
import { conditionText, RuleDialog } from './rule-dialog.tsx';
import { problemText } from './texts.ts';

export function AlertsView() {
  const [shown, setShown] = useState<'firing' | 'resolved'>('firing');
  const [open, setOpen] = useState<AlertRecord | null>(null);
  const list =
    shown === 'firing'
      ? firing.value
      : [...alerts.value.values()]
          .filter(({ state }) => state === 'resolved')
          .sort((a, b) => (b.resolved_ms ?? 0) - (a.resolved_ms ?? 0));
  return (
    <>
      <div class="page-head">
        <h1>{t('nav.alerts')}</h1>
        <Segmented
          label={t('alerts.which')}
          value={shown}
          options={[
            { value: 'firing', text: `${t('alerts.firing')} (${firing.value.length})` },
            { value: 'resolved', text: t('alerts.resolved') },
          ]}
          onChange={setShown}
        />
      </div>
      <div class="grid">
        <Panel title={t(shown === 'firing' ? 'alerts.firing' : 'alerts.resolved')} flush>
          {boardsLoaded.value ? null : <Loading />}
          {boardsLoaded.value && list.length === 0 ? (
            <Empty
              small
              title={t(shown === 'firing' ? 'alerts.none' : 'alerts.none.resolved')}
              text={t('alerts.none.text')}
            />
          ) : null}
          {list.length === 0 ? null : (
            <ul class="alerts">
              {list.slice(0, 200).map((alert) => (
                <AlertLine key={alert.id} alert={alert} onOpen={() => setOpen(alert)} />
              ))}
            </ul>
          )}
        </Panel>
        <Rules />
      </div>
      {open === null ? null : <Acknowledge alert={open} onClose={() => setOpen(null)} />}
    </>
  );
}

function AlertLine({ alert, onOpen }: { alert: AlertRecord; onOpen: () => void }) {
  void tick.value;
  const board = boards.get(alert.node);
  const reason = whyNot();
  const end = alert.resolved_ms ?? serverNow();
  return (
    <li class={alert.acknowledged_ms === null ? '' : 'seen'}>
      <SeverityMark severity={alert.severity} bare />
      <div class="alert-what">
        <div>
          <a href={`#/boards/${encodeURIComponent(alert.node)}`}>{alert.node}</a>{' '}
          <span class="strong">{alert.rule_name}</span>{' '}
          {board === undefined ? null : (
            <span class="muted">
              <LookMark look={board.look} />
            </span>
          )}
        </div>
        <div class="muted">{alert.text}</div>
        {alert.note === null || alert.note === '' ? null : (
          <div class="alert-note">“{alert.note}”</div>
        )}
      </div>
      <div class="alert-when">
        <span class="nowrap">{f().duration((end - alert.began_ms) / 1000)}</span>
        <span class="muted nowrap">{f().dateTime(alert.began_ms)}</span>
      </div>
      <div class="alert-who">
        {alert.acknowledged_ms === null ? (
          alert.state === 'firing' ? (
            <button
              type="button"
              class="button"
              disabled={reason !== null}
              title={reason ?? ''}
              onClick={onOpen}
            >
              {t('alerts.ack')}…
            </button>
          ) : null
        ) : (
          <span class="look">
            <span class="look tone-live">
              <Glyph shape="check" />
            </span>
            {t('alerts.acked', { user: alert.acknowledged_by ?? '' })}
          </span>
        )}
      </div>
    </li>
  );
}

function Acknowledge({ alert, onClose }: { alert: AlertRecord; onClose: () => void }) {
  const [note, setNote] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (): Promise<void> => {
    try {
      noteAlert(
        await request<AlertRecord>(
          'POST',
          `/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`,
          { note },
        ),
      );
      say('ok', t('alerts.acknowledged', { node: alert.node }));
      onClose();
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  return (
    <FormDialog
      title={t('alerts.ack')}
      submit={t('alerts.ack')}
      problem={problem}
      onSubmit={submit}
      onClose={onClose}
    >
      <p>
        <b>{alert.node}</b> · {alert.rule_name}
      </p>
      <p class="muted">{alert.text}</p>
      <Labelled text="alerts.note">
        <textarea
          class="field"
          rows={3}
          maxLength={500}
          value={note}
          onInput={(event) => setNote(event.currentTarget.value)}
        />
      </Labelled>
    </FormDialog>
  );
}

function Rules() {
  const loaded = useLoad<AlertRulesResponse>('rules', () => get('/api/alert-rules'));
  const [edited, setEdited] = useState<AlertRule | 'new' | null>(null);
  // A switch stays where it was put while the server is told.
  const [flipped, setFlipped] = useState<{ id: string; enabled: boolean } | null>(null);
  const isOn = (rule: AlertRule): boolean =>
    flipped?.id === rule.id ? flipped.enabled : rule.enabled;
  const reason = whyNot();
  const flip = async (rule: AlertRule): Promise<void> => {
    const { id, created_by: _by, updated_ms: _ms, ...body } = rule;
    const enabled = !isOn(rule);
    setFlipped({ id, enabled });
    try {
      await request('PUT', `/api/alert-rules/${encodeURIComponent(id)}`, {
        ...body,
        enabled,
      });
      await loaded.reload();
    } catch (error) {
      say('bad', problemText(error));
    }
    setFlipped(null);
  };
  return (
    <Panel
      title={t('rules.title')}
      flush
      end={
        <button
          type="button"
          class="button"
          disabled={reason !== null}
          title={reason ?? ''}
          onClick={() => setEdited('new')}
        >
          {t('rules.new')}…
        </button>
      }
    >
      {loaded.value === null && loaded.problem === null ? <Loading /> : null}
      {loaded.problem === null ? null : <Problem text={loaded.problem} onRetry={loaded.reload} />}
      {loaded.value?.rules.length === 0 ? (
        <Empty small title={t('rules.none')} text={t('rules.none.text')} />
      ) : null}
      {loaded.value === null || loaded.value.rules.length === 0 ? null : (
        <div class="scroll-x">
          <table class="plain">
            <thead>
              <tr>
                <th>{t('rules.name')}</th>
                <th>{t('rules.when')}</th>
                <th>{t('rules.for')}</th>
                <th>{t('rules.told')}</th>
                <th>{t('rules.on')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {loaded.value.rules.map((rule) => (
                <tr key={rule.id}>
                  <td>
                    <span class="look">
                      <SeverityMark severity={rule.severity} bare /> {rule.name}
                    </span>
                  </td>
                  <td>{conditionText(rule.condition)}</td>
                  <td class="nowrap">{f().duration(rule.for_s)}</td>
                  <td class="muted">
                    {[
                      t('rules.page'),
                      rule.webhook_url === null ? '' : 'webhook',
                      rule.mqtt ? 'MQTT' : '',
                    ]
                      .filter((way) => way !== '')
                      .join(', ')}
                  </td>
                  <td>
                    <input
                      type="checkbox"
                      aria-label={t('rules.on.label', { name: rule.name })}
                      checked={isOn(rule)}
                      disabled={reason !== null}
                      onChange={() => void flip(rule)}
                    />
                  </td>
                  <td class="right">
                    <button
                      type="button"
                      class="button plain"
                      disabled={reason !== null}
                      aria-label={t('rules.edit.label', { name: rule.name })}
                      onClick={() => setEdited(rule)}
                    >
                      {t('rules.edit')}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {edited === null ? null : (
        <RuleDialog
          rule={edited === 'new' ? null : edited}
          onClose={() => setEdited(null)}
          onSaved={() => {
            setEdited(null);
            void loaded.reload();
          }}
        />
      )}
    </Panel>
  );
}
