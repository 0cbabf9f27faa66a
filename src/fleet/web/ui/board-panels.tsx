import type { DecisionEntry, HealthCondition, Telemetry } from '../../../protocol/index.ts';
import { f, t, tCode } from '../i18n/index.ts';
import { inOneLine, UNKNOWN } from '../lib/format.ts';
import type { History } from '../lib/history.ts';
import { Chart } from './chart.tsx';
import { Empty, Panel, SeverityMark } from './parts.tsx';

/** What is wrong with a board, and what to do about it. */
export function Conditions({ list, nowMs }: { list: readonly HealthCondition[]; nowMs: number }) {
  if (list.length === 0)
    return <Empty small title={t('health.none')} text={t('health.none.text')} />;
  return (
    <ul class="conditions">
      {list.map((condition) => {
        const since = Date.parse(condition.since);
        return (
          <li key={condition.code}>
            <SeverityMark severity={condition.severity} bare />
            <div>
              <div class="what">
                {tCode('health', condition.code)} <code class="muted">{condition.code}</code>
              </div>
              <div>{condition.text}</div>
              <div class="todo">{withCode(tCode('todo', condition.code))}</div>
            </div>
            <span class="muted nowrap">{f().duration((nowMs - since) / 1000)}</span>
          </li>
        );
      })}
    </ul>
  );
}

/** What stands between backticks is something to type. */
const withCode = (text: string) =>
  text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));

/** The charts of one board; the cursor of one is the cursor of all. */
export function BoardCharts(props: { history: History; fromMs: number; toMs: number }) {
  const { history, fromMs, toMs } = props;
  const common = { tMs: history.tMs, fromMs, toMs, sync: 'board', height: 138 };
  return (
    <>
      <Panel title={t('chart.power')} span={6}>
        <Chart
          {...common}
          label={t('chart.power')}
          floor={0}
          unit={f().watts}
          lines={[
            { label: t('series.power'), tone: 'power', values: history.watts, filled: true },
            {
              label: t('series.budget'),
              tone: 'muted',
              values: history.budget_w,
              dashed: true,
              stepped: true,
            },
          ]}
        />
      </Panel>
      <Panel title={t('chart.heat')} span={6}>
        <Chart
          {...common}
          label={t('chart.heat')}
          unit={f().celsius}
          lines={[
            { label: t('series.heat'), tone: 'heat', values: history.soc_c },
            {
              label: t('series.limit'),
              tone: 'muted',
              values: history.limit_c,
              dashed: true,
              stepped: true,
            },
          ]}
        />
      </Panel>
      <Panel title={t('chart.tokens')} span={4}>
        <Chart
          {...common}
          label={t('chart.tokens')}
          floor={0}
          unit={f().tokensPerS}
          lines={[
            {
              label: t('series.tokens'),
              tone: 'tokens',
              values: history.tokens_per_s,
              filled: true,
            },
          ]}
        />
      </Panel>
      <Panel title={t('chart.clock')} span={4}>
        <Chart
          {...common}
          label={t('chart.clock')}
          floor={0}
          unit={f().megahertz}
          axisPer={1000}
          lines={[
            {
              label: t('series.clock'),
              tone: 'clock',
              values: history.max_freq_khz,
              stepped: true,
            },
          ]}
        />
      </Panel>
      <Panel title={t('chart.queue')} span={4}>
        <Chart
          {...common}
          label={t('chart.queue')}
          floor={0}
          unit={f().count}
          lines={[
            {
              label: t('series.queue'),
              tone: 'queue',
              values: history.queue_depth,
              stepped: true,
              filled: true,
            },
          ]}
        />
      </Panel>
    </>
  );
}

export function Decisions({ list }: { list: readonly DecisionEntry[] }) {
  if (list.length === 0) return <Empty small title={t('decisions.none')} />;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={t('decisions.title')}>
      <table class="plain">
        <thead>
          <tr>
            <th>{t('decisions.when')}</th>
            <th>{t('decisions.where')}</th>
            <th>{t('decisions.why')}</th>
            <th class="right">{t('decisions.difficulty')}</th>
            <th class="right">{t('decisions.confidence')}</th>
            <th class="right">{t('decisions.joules')}</th>
            <th class="right">{t('decisions.cost')}</th>
            <th class="right">{t('decisions.took')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((entry) => (
            <tr key={entry.id + entry.ts}>
              <td class="nowrap" title={entry.id}>
                {f().clock(Date.parse(entry.ts))}
              </td>
              <td class="nowrap">
                {entry.error !== null ? (
                  <span class="tone-bad">
                    {t('decisions.failed')} <code>{entry.error}</code>
                  </span>
                ) : (
                  <>
                    <i
                      class="swatch inline"
                      style={{
                        background: entry.target === 'cloud' ? 'var(--cloud)' : 'var(--edge)',
                      }}
                    />
                    {t(entry.target === 'cloud' ? 'cloud' : 'edge')}
                    {entry.endpoint === null ? '' : ` (${entry.endpoint})`}
                    {entry.escalated ? ` · ${t('decisions.escalated')}` : ''}
                  </>
                )}
              </td>
              <td>{entry.reasons.map((reason) => tCode('reason', reason)).join(', ')}</td>
              <td class="right">{share(entry.difficulty)}</td>
              <td class="right">{share(entry.confidence)}</td>
              <td class="right">{inOneLine(f().joules(entry.joules))}</td>
              <td class="right">
                {entry.cost === null || entry.cost.amount === 0
                  ? UNKNOWN
                  : inOneLine(f().money(entry.cost.amount, entry.cost.currency))}
              </td>
              <td class="right">{inOneLine(f().milliseconds(entry.total_ms))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const share = (value: number | null): string => (value === null ? UNKNOWN : f().number(value, 2));

/** What stands in the last telemetry beside the charts. */
export function TelemetryFacts({ telemetry }: { telemetry: Telemetry }) {
  const { power, governor, engine, queue, router, system, thermal } = telemetry;
  const budget = inOneLine(f().watts(power.budget_w));
  return (
    <dl class="facts">
      <dt>{t('fact.scope')}</dt>
      <dd>
        {tCode('scope', power.scope)} · {t(power.measured ? 'fact.measured' : 'fact.estimated')}
        {power.source === null ? '' : ` (${power.source})`}
      </dd>
      <dt>{t('fact.board')}</dt>
      <dd>
        {inOneLine(f().watts(power.board_w))}
        <span class="muted">
          {' '}
          · {t('fact.idle', { watts: inOneLine(f().watts(power.idle_w)) })}
        </span>
      </dd>
      <dt>{t('fact.governor')}</dt>
      <dd>
        {tCode('governor', governor.state)}
        <span class="muted">
          {' '}
          · {t('fact.threads', { n: governor.threads })} · {t('fact.duty')}{' '}
          {inOneLine(f().percent(governor.duty))} · {t('series.budget')} {budget}
        </span>
      </dd>
      <dt>{t('fact.throttled')}</dt>
      <dd>{thermal.throttled.length === 0 ? t('no') : thermal.throttled.join(', ')}</dd>
      <dt>{t('fact.engine')}</dt>
      <dd>
        {tCode('engine', engine.state)}
        <span class="muted"> · {t('fact.restarts', { n: engine.restarts })}</span>
      </dd>
      <dt>{t('fact.slots')}</dt>
      <dd>{t('fact.slots.words', { busy: engine.slots_busy, n: engine.slots })}</dd>
      <dt>{t('fact.prompts')}</dt>
      <dd>
        {t('fact.prompts.words', {
          done: queue.completed_total,
          accepted: queue.accepted_total,
          rejected: queue.rejected_total,
        })}
      </dd>
      <dt>{t('fact.routes')}</dt>
      <dd>
        {t('fact.routes.words', {
          edge: router.edge_total,
          cloud: router.cloud_total,
          escalated: router.escalated_total,
        })}
      </dd>
      <dt>{t('fact.money')}</dt>
      <dd>
        {t('overview.money.words', {
          cost: inOneLine(f().money(router.cloud_cost, router.currency)),
          saved: inOneLine(f().money(router.saved_cost, router.currency)),
        })}
      </dd>
      <dt>{t('fact.memory')}</dt>
      <dd>
        {inOneLine(f().bytes(system.mem_used_bytes))} /{' '}
        {inOneLine(f().bytes(system.mem_total_bytes))}
        <span class="muted">
          {' '}
          · {t('fact.enginemem', { size: inOneLine(f().bytes(engine.rss_bytes)) })}
        </span>
      </dd>
      <dt>{t('fact.system')}</dt>
      <dd>
        CPU {system.cpu_pct === null ? UNKNOWN : `${f().number(system.cpu_pct, 0)} %`} · load{' '}
        {system.load1 === null ? UNKNOWN : f().number(system.load1, 2)} ·{' '}
        {t('fact.disk', { size: inOneLine(f().bytes(system.disk_free_bytes)) })}
      </dd>
      <dt>{t('fact.uptime')}</dt>
      <dd>{f().duration(telemetry.uptime_s)}</dd>
    </dl>
  );
}
