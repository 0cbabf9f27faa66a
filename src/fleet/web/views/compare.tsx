import { useState } from 'preact/hooks';
import type { SeriesResponse } from '../../../protocol/fleet/index.ts';
import { f, t, type TextKey } from '../i18n/index.ts';
import { alignSeries } from '../lib/align.ts';
import { type Figure, inOneLine } from '../lib/format.ts';
import { HISTORY_FIELDS, type HistoryField } from '../lib/history.ts';
import type { Board } from '../lib/rows.ts';
import { get } from '../state/api.ts';
import { boards, boardsVersion, serverNow } from '../state/fleet.ts';
import { place } from '../state/place.ts';
import { endsOf, range } from '../state/range.ts';
import { useLoad } from '../state/use-load.ts';
import { Chart } from '../ui/chart.tsx';
import { Empty, Loading, LookMark, Panel, Problem } from '../ui/parts.tsx';
import { RangePicker } from './range-picker.tsx';

const MOST = 6;
const SERIES_POINTS = 300;
const RELOAD_MS = 15_000;
const TONES = ['tokens', 'power', 'clock', 'heat', 'queue', 'text'];

type Measure = {
  field: HistoryField;
  text: TextKey;
  unit: (value: number | null) => Figure;
  lower: boolean;
};

const measures = (): Measure[] => [
  { field: 'watts', text: 'series.power', unit: f().watts, lower: true },
  { field: 'soc_c', text: 'series.heat', unit: f().celsius, lower: true },
  { field: 'tokens_per_s', text: 'series.tokens', unit: f().tokensPerS, lower: false },
  { field: 'joules_per_token', text: 'series.joules', unit: f().joulesPerToken, lower: true },
  { field: 'max_freq_khz', text: 'chart.clock', unit: f().megahertz, lower: false },
  { field: 'queue_depth', text: 'series.queue', unit: f().count, lower: true },
];

/** Boards beside each other: their present figures, and one field of all of them over time. */
export function CompareView() {
  void boardsVersion.value;
  const nodes = (place.value.query['nodes'] ?? '')
    .split(',')
    .filter((node) => boards.has(node))
    .slice(0, MOST);
  const [field, setField] = useState<HistoryField>('watts');
  const known = measures();
  const measure = known.find((each) => each.field === field) ?? known[0];
  const at = range.value;
  const key = nodes.length === 0 ? null : `${nodes.join()} ${field} ${JSON.stringify(at)}`;
  const loaded = useLoad<SeriesResponse[]>(
    key,
    () => {
      const { fromMs, toMs } = endsOf(serverNow());
      const step = Math.max(1000, Math.round((toMs - fromMs) / SERIES_POINTS));
      return Promise.all(
        nodes.map((node) =>
          get<SeriesResponse>(
            `/api/boards/${encodeURIComponent(node)}/series?fields=${HISTORY_FIELDS[field]}&from=${Math.round(fromMs)}&to=${Math.round(toMs)}&step=${step}`,
          ),
        ),
      );
    },
    at.kind === 'live' ? RELOAD_MS : undefined,
  );
  if (nodes.length === 0 || measure === undefined) {
    return (
      <Empty title={t('compare.none')} text={t('compare.none.text')}>
        <a class="button" href="#/boards">
          {t('board.all')}
        </a>
      </Empty>
    );
  }
  const list = nodes.flatMap((node) => boards.get(node) ?? []);
  const aligned =
    loaded.value === null
      ? null
      : alignSeries(
          loaded.value.map((series) => ({
            tMs: series.t_ms,
            values: series.fields[HISTORY_FIELDS[field]]?.mean ?? [],
          })),
        );
  const { fromMs, toMs } = endsOf(serverNow());
  return (
    <>
      <div class="page-head">
        <h1>{t('compare.title')}</h1>
        <div class="end">
          <label class="look muted">
            {t('compare.field')}
            <select
              class="field"
              value={field}
              onChange={(event) => setField(event.currentTarget.value as HistoryField)}
            >
              {known.map((each) => (
                <option key={each.field} value={each.field}>
                  {t(each.text)}
                </option>
              ))}
            </select>
          </label>
          <RangePicker />
        </div>
      </div>
      <div class="grid">
        <Panel title={t(measure.text)}>
          {aligned === null ? (
            loaded.problem === null ? (
              <Loading />
            ) : (
              <Problem text={loaded.problem} onRetry={loaded.reload} />
            )
          ) : (
            <Chart
              label={t(measure.text)}
              tMs={aligned.tMs}
              lines={nodes.map((node, index) => ({
                label: node,
                tone: TONES[index] ?? 'text',
                values: aligned.values[index] ?? [],
                dashed: index >= 3,
              }))}
              unit={measure.unit}
              fromMs={fromMs}
              toMs={toMs}
              height={240}
            />
          )}
        </Panel>
        <Panel title={t('compare.now')} flush>
          <div class="scroll-x">
            <table class="plain">
              <thead>
                <tr>
                  <th>{t('compare.what')}</th>
                  {list.map((board) => (
                    <th key={board.node} class="right">
                      <a href={`#/boards/${encodeURIComponent(board.node)}`}>{board.node}</a>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                <Words
                  title="column.look"
                  list={list}
                  of={(board) => <LookMark look={board.look} />}
                />
                <Words title="column.profile" list={list} of={(board) => board.profile ?? '–'} />
                <Words title="column.version" list={list} of={(board) => board.version ?? '–'} />
                <Words title="column.model" list={list} of={(board) => board.model ?? '–'} />
                <Words
                  title="series.budget"
                  list={list}
                  of={(board) => inOneLine(f().watts(board.budget_w))}
                />
                {known.map((each) => (
                  <Numbers key={each.field} measure={each} list={list} />
                ))}
                <Words
                  title="column.cloud"
                  list={list}
                  of={(board) => inOneLine(f().percent(board.cloud_share))}
                />
              </tbody>
            </table>
          </div>
        </Panel>
      </div>
    </>
  );
}

function Words(props: {
  title: TextKey;
  list: readonly Board[];
  of: (board: Board) => preact.ComponentChildren;
}) {
  return (
    <tr>
      <td class="muted">{t(props.title)}</td>
      {props.list.map((board) => (
        <td key={board.node} class="right">
          {props.of(board)}
        </td>
      ))}
    </tr>
  );
}

/** A row of figures; the best of them is told by a word and a weight, not by colour. */
function Numbers({ measure, list }: { measure: Measure; list: readonly Board[] }) {
  const values = list.map((board) => board[measure.field]);
  const numbers = values.filter((value) => value !== null);
  const differ = new Set(numbers).size > 1;
  const best = measure.lower ? Math.min(...numbers) : Math.max(...numbers);
  return (
    <tr>
      <td class="muted">{t(measure.text)}</td>
      {list.map((board, index) => {
        const value = values[index] ?? null;
        const wins = differ && value === best;
        return (
          <td key={board.node} class="right">
            {wins ? <span class="muted">{t('compare.best')} </span> : null}
            <span class={wins ? 'strong' : ''}>{inOneLine(measure.unit(value))}</span>
          </td>
        );
      })}
    </tr>
  );
}
