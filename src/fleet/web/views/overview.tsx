import type { Overview } from '../../../protocol/fleet/index.ts';
import { f, t, type TextKey } from '../i18n/index.ts';
import { type Figure, inOneLine, UNKNOWN } from '../lib/format.ts';
import { type Look, LOOKS } from '../lib/rows.ts';
import {
  boards,
  boardsLoaded,
  boardsVersion,
  loadProblem,
  overview,
  start,
} from '../state/fleet.ts';
import { Empty, Fig, Loading, LookMark, Panel, Problem } from '../ui/parts.tsx';
import { Mosaic } from './mosaic.tsx';
import { Conditions, Parts, Share } from './overview-panels.tsx';
import { Series } from './overview-series.tsx';
import { Worst } from './overview-worst.tsx';
import { RangePicker } from './range-picker.tsx';

export function OverviewView() {
  const summary = overview.value;
  if (!boardsLoaded.value || summary === null) {
    return loadProblem.value === null ? (
      <Loading lines={8} />
    ) : (
      <Problem text={loadProblem.value} onRetry={() => void start()} />
    );
  }
  return (
    <>
      <div class="page-head">
        <h1>{t('nav.overview')}</h1>
        <span class="muted">{t('n.boards', { n: summary.boards.total })}</span>
        <div class="end">
          <RangePicker />
        </div>
      </div>
      {summary.broker.connected ? null : (
        <p class="notice bad" role="alert">
          {t('overview.nobroker', { detail: summary.broker.detail })}
        </p>
      )}
      <Figures summary={summary} />
      {summary.boards.total === 0 ? (
        <Empty title={t('boards.none')} text={t('boards.none.text')} />
      ) : (
        <div class="grid top-gap">
          <States />
          <Worst worst={summary.worst} />
          <Series />
          <Share summary={summary} />
          <Conditions summary={summary} />
          <Parts summary={summary} />
        </div>
      )}
    </>
  );
}

function BigFigure(props: { label: TextKey; figure: Figure; note?: string; tone?: string }) {
  return (
    <div>
      <dt>{t(props.label)}</dt>
      <dd class={`big ${props.tone ?? ''}`}>
        <Fig of={props.figure} />
      </dd>
      <dd class="note">{props.note ?? ''}</dd>
    </div>
  );
}

function Figures({ summary }: { summary: Overview }) {
  const { boards: counts, costs } = summary;
  const here = counts.online + counts.draining;
  const [money] = [...costs].sort((a, b) => b.saved_cost - a.saved_cost);
  return (
    <dl class="figures">
      <BigFigure
        label="overview.online"
        figure={f().count(here)}
        note={t('overview.away', { n: counts.total - here })}
      />
      <BigFigure
        label="overview.watts"
        figure={f().wattsTotal(summary.watts)}
        note={t('overview.ofbudget', {
          budget: inOneLine(f().wattsTotal(summary.budget_w)),
        })}
      />
      <BigFigure
        label="overview.tokens"
        figure={f().tokensPerSTotal(summary.tokens_per_s)}
        note={t('overview.tokens.total', { count: inOneLine(f().large(summary.tokens_total)) })}
      />
      <BigFigure
        label="overview.joules"
        figure={f().joulesPerToken(summary.joules_per_token)}
        note={t('overview.queue', { n: summary.queue_depth })}
      />
      <BigFigure
        label="overview.edge"
        figure={f().percent(summary.edge_share, 1)}
        note={t('overview.escalated', { n: summary.escalated_total })}
      />
      <BigFigure
        label="overview.cost"
        figure={
          money === undefined
            ? { value: UNKNOWN, unit: '' }
            : f().money(money.cloud_cost, money.currency)
        }
        note={
          costs.length > 1 ? t('overview.currencies', { n: costs.length }) : t('overview.cost.note')
        }
      />
      <BigFigure
        label="overview.saved"
        figure={
          money === undefined
            ? { value: UNKNOWN, unit: '' }
            : f().money(money.saved_cost, money.currency)
        }
        note={t('overview.saved.note')}
      />
    </dl>
  );
}

/** Every board as one cell: what is ordinary stays grey, what is not stands out. */
function States() {
  void boardsVersion.value;
  const counts = new Map<Look, number>();
  for (const board of boards.values()) counts.set(board.look, (counts.get(board.look) ?? 0) + 1);
  const present = LOOKS.filter((look) => (counts.get(look) ?? 0) > 0);
  return (
    <Panel title={t('overview.states')} span={7} end={<a href="#/boards">{t('overview.table')}</a>}>
      <Mosaic />
      <ul class="legend top-gap-small">
        {present.map((look) => (
          <li key={look}>
            <a href={`#/boards?look=${look}`}>
              <LookMark look={look} />
              <span class="count">{f().number(counts.get(look) ?? 0, 0)}</span>
            </a>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
