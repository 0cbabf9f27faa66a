import { useEffect, useMemo, useState } from 'preact/hooks';
import { f, t } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { type Look } from '../lib/rows.ts';
import {
  boardState,
  decisions,
  health,
  history,
  needsToken,
  problem,
  start,
  telemetry,
  tokenWasWrong,
  useToken,
} from '../state/board-live.ts';
import { linkState } from '../state/feed.ts';
import { endsOf, range, setLive } from '../state/range.ts';
import { tick } from '../state/tick.ts';
import { FormProblem } from '../ui/dialog.tsx';
import { BoardCharts, Conditions, Decisions, TelemetryFacts } from '../ui/board-panels.tsx';
import { Brand } from '../ui/brand.tsx';
import {
  Fig,
  Labelled,
  Loading,
  LookMark,
  Meter,
  Panel,
  Problem,
  ratioTone,
  Segmented,
} from '../ui/parts.tsx';
import { LanguageSwitch, ThemeSwitch } from '../ui/switches.tsx';
import { AskBox } from './ask-box.tsx';
import { LinkState } from './link-state.tsx';

const SPANS = [300, 900, 3600] as const;
const SPAN_TEXT: Record<number, string> = { 300: '5 min', 900: '15 min', 3600: '1 h' };

/** The page that a board serves itself. */
export function OwnBoard() {
  const now = telemetry.value;
  useEffect(() => {
    document.title = `${now?.node ?? ''} · twowatt`;
  }, [now?.node]);
  if (needsToken.value) return <TokenForm />;
  return (
    <div class="frame">
      <header class="topbar">
        <Brand text={t('own.brand')} />
        <div class="end">
          <LinkState />
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" class="content own">
        {now === null ? (
          problem.value === null ? (
            <Loading lines={8} />
          ) : (
            <Problem text={problem.value} onRetry={() => void start()} />
          )
        ) : (
          <Board />
        )}
      </main>
    </div>
  );
}

/** At first glance: the same words as in the fleet's table, from what the board itself says. */
function lookNow(): Look {
  const now = telemetry.value;
  if (linkState.value !== 'live' || now === null) return 'stale';
  if (
    now.engine.state === 'unavailable' ||
    health.value.some(({ severity }) => severity === 'error')
  ) {
    return 'failing';
  }
  if (now.governor.state === 'hot') return 'hot';
  if (now.thermal.throttled.length > 0) return 'throttled';
  if (health.value.some(({ severity }) => severity === 'warning')) return 'warning';
  if (boardState.value === 'draining') return 'draining';
  if (now.governor.state === 'paused') return 'paused';
  if (now.engine.state === 'busy') return now.governor.state === 'pacing' ? 'pacing' : 'busy';
  return 'ready';
}

function Board() {
  const now = telemetry.value;
  void tick.value;
  const at = range.value;
  const ends = useMemo(() => endsOf(Date.now()), [history.value, at, Math.floor(tick.value / 2)]);
  if (now === null) return null;
  const { power, thermal, governor, engine, queue } = now;
  const watts = power.mean_10s_w ?? power.watts;
  const wattsRatio = watts === null || power.budget_w <= 0 ? null : watts / power.budget_w;
  const heatRatio = thermal.soc_c === null ? null : thermal.soc_c / thermal.limit_c;
  return (
    <>
      <div class="page-head">
        <h1>{now.node}</h1>
        <LookMark look={lookNow()} />
        <span class="muted">{t('own.up', { age: f().duration(now.uptime_s) })}</span>
      </div>
      <dl class="figures">
        <div>
          <dt>{t('series.power')}</dt>
          <dd class="big">
            <Fig of={f().watts(watts)} />
          </dd>
          <dd class="note">
            {watts === null
              ? (power.reason ?? '')
              : t('overview.ofbudget', { budget: inOneLine(f().watts(power.budget_w)) })}
          </dd>
          <dd>
            <Meter ratio={wattsRatio} tone={ratioTone(wattsRatio, 1.0001)} />
          </dd>
        </div>
        <div>
          <dt>{t('series.heat')}</dt>
          <dd class="big">
            <Fig of={f().celsius(thermal.soc_c)} />
          </dd>
          <dd class="note">
            {thermal.soc_c === null
              ? (thermal.reason ?? '')
              : t('board.oflimit', { limit: inOneLine(f().celsius(thermal.limit_c)) })}
          </dd>
          <dd>
            <Meter ratio={heatRatio} tone={ratioTone(heatRatio, 0.9)} />
          </dd>
        </div>
        <div>
          <dt>{t('series.tokens')}</dt>
          <dd class="big">
            <Fig of={f().tokensPerS(engine.tokens_per_s)} />
          </dd>
          <dd class="note">{inOneLine(f().joulesPerToken(engine.joules_per_token))}</dd>
        </div>
        <div>
          <dt>{t('series.queue')}</dt>
          <dd class="big">
            <Fig of={f().count(queue.depth)} />
          </dd>
          <dd class="note">{t('own.answered', { n: queue.completed_total })}</dd>
        </div>
        <div>
          <dt>{t('chart.clock')}</dt>
          <dd class="big">
            <Fig of={f().megahertz(governor.max_freq_khz)} />
          </dd>
          <dd class="note">
            {t('fact.duty')} {inOneLine(f().percent(governor.duty))}
          </dd>
        </div>
        <div class="wide-figure">
          <dt>{t('column.model')}</dt>
          <dd class="model-name">{engine.model ?? t('board.nomodel')}</dd>
          <dd class="note">{now.profile}</dd>
        </div>
      </dl>
      <div class="grid top-gap">
        <Panel title={t('ask.title')} span={6} end={t('ask.private')}>
          <AskBox />
        </Panel>
        <Panel title={t('health.title')} span={6} flush>
          <Conditions list={health.value} nowMs={Date.now()} />
        </Panel>
      </div>
      <div class="page-head top-gap">
        <h2>{t('own.since')}</h2>
        <div class="end">
          <Segmented
            label={t('range.label')}
            value={at.kind === 'live' ? at.seconds : null}
            options={SPANS.map((seconds) => ({ value: seconds, text: SPAN_TEXT[seconds] ?? '' }))}
            onChange={setLive}
          />
        </div>
      </div>
      <div class="grid">
        <BoardCharts history={history.value} {...ends} />
        <Panel title={t('own.answers')} span={8} flush>
          <Decisions list={decisions.value} />
        </Panel>
        <Panel title={t('board.now')} span={4}>
          <TelemetryFacts telemetry={now} />
        </Panel>
      </div>
    </>
  );
}

function TokenForm() {
  const [token, setToken] = useState('');
  return (
    <main class="gate">
      <form
        class="gate-form"
        onSubmit={(event) => {
          event.preventDefault();
          useToken(token.trim());
        }}
      >
        <Brand text={t('own.brand')} />
        <h1>{t('token.title')}</h1>
        <p class="muted">{t('token.text')}</p>
        <Labelled text="token.label">
          <input
            class="field mono"
            type="password"
            autocomplete="off"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </Labelled>
        <FormProblem text={tokenWasWrong.value ? t('token.wrong') : null} />
        <button type="submit" class="button main">
          {t('token.button')}
        </button>
      </form>
      <div class="gate-end">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
    </main>
  );
}
