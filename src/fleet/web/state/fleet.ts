import { computed, signal } from '@preact/signals';
import type {
  ActionRecord,
  ActionsResponse,
  AlertRecord,
  AlertsResponse,
  BoardRowsResponse,
  FleetEventName,
  FleetEvents,
  Overview,
  RolloutRecord,
  RolloutsResponse,
} from '../../../protocol/fleet/index.ts';
import type { StreamEvent } from '../lib/event-text.ts';
import { type Board, createRowReader } from '../lib/rows.ts';
import { get, isApiError } from './api.ts';
import { createFeed } from './feed.ts';

/** Every board by its id. The map is one and the same; `boardsVersion` says that something in it moved. */
export const boards = new Map<string, Board>();
export const boardsVersion = signal(0);
export const boardsLoaded = signal(false);
export const overview = signal<Overview | null>(null);
export const alerts = signal<ReadonlyMap<string, AlertRecord>>(new Map());
export const actions = signal<ReadonlyMap<string, ActionRecord>>(new Map());
export const rollouts = signal<ReadonlyMap<string, RolloutRecord>>(new Map());
export const loadProblem = signal<string | null>(null);
/** Server's clock minus this machine's, milliseconds: ages are counted by the server's. */
export const serverAheadMs = signal(0);

export const firing = computed(() =>
  [...alerts.value.values()]
    .filter(({ state }) => state === 'firing')
    .sort((a, b) => b.began_ms - a.began_ms),
);
export const unacknowledged = computed(
  () => firing.value.filter(({ acknowledged_ms }) => acknowledged_ms === null).length,
);

export const serverNow = (): number => Date.now() + serverAheadMs.peek();

/** Kept of each list in this page; the server has the rest. */
const MOST_RECORDS = 500;

let seq: string | null = null;
/** Events that came while a snapshot was under way: they are newer than it. */
let loading: Promise<void> | undefined;

function put<Item extends { id: string }>(
  store: { value: ReadonlyMap<string, Item> },
  items: readonly Item[],
): void {
  const next = new Map(store.value);
  for (const item of items) next.set(item.id, item);
  for (const id of next.keys()) {
    if (next.size <= MOST_RECORDS) break;
    next.delete(id);
  }
  store.value = next;
}

/** Everything anew. Called at the start, and when the server cannot say what was missed. */
function loadAll(): Promise<void> {
  loading ??= (async () => {
    const [rows, summary, alertList, actionList, rolloutList] = await Promise.all([
      get<BoardRowsResponse>('/api/boards?view=rows'),
      get<Overview>('/api/overview'),
      get<AlertsResponse>('/api/alerts?state=all&limit=200'),
      get<ActionsResponse>('/api/actions?limit=50'),
      get<RolloutsResponse>('/api/rollouts?limit=50'),
    ]);
    const read = createRowReader(rows.columns);
    boards.clear();
    for (const row of rows.rows) {
      const board = read(row);
      boards.set(board.node, board);
    }
    seq = rows.seq;
    serverAheadMs.value = rows.server_ms - Date.now();
    overview.value = summary;
    alerts.value = new Map();
    // Oldest first, so that the oldest are dropped first.
    put(alerts, alertList.alerts.toReversed());
    put(actions, actionList.actions.toReversed());
    put(rollouts, rolloutList.rollouts.toReversed());
    boardsLoaded.value = true;
    boardsVersion.value += 1;
    loadProblem.value = null;
  })().finally(() => {
    loading = undefined;
  });
  return loading;
}

const TAKE: { [Name in FleetEventName]: (data: FleetEvents[Name]) => void } = {
  hello: ({ server_ms }) => {
    serverAheadMs.value = server_ms - Date.now();
  },
  reset: () => {
    // The stream goes on from the new snapshot's number, so that nothing between the two is missed.
    feed.stop();
    void start();
  },
  boards: (batch) => {
    const read = createRowReader(batch.columns);
    for (const row of batch.rows) {
      const board = read(row);
      boards.set(board.node, board);
    }
    for (const node of batch.removed) boards.delete(node);
    seq = batch.seq;
    serverAheadMs.value = batch.server_ms - Date.now();
    boardsVersion.value += 1;
  },
  overview: (summary) => {
    overview.value = summary;
  },
  alert: (alert) => put(alerts, [alert]),
  action: (action) => put(actions, [action]),
  rollout: (rollout) => put(rollouts, [rollout]),
};

function take({ event, data }: StreamEvent): void {
  const handler = (TAKE as Record<string, ((data: unknown) => void) | undefined>)[event];
  // An event of a newer server is none of this page's business.
  handler?.(JSON.parse(data));
}

const feed = createFeed({
  path: () => (seq === null ? '/api/events' : `/api/events?since=${encodeURIComponent(seq)}`),
  onEvent: take,
});

const RETRY_MS = 3000;
let retry: ReturnType<typeof setTimeout> | undefined;

/** Loads, then listens from where the snapshot stood. Tries again until the server is there. */
export async function start(): Promise<void> {
  clearTimeout(retry);
  try {
    await loadAll();
    feed.start();
  } catch (error) {
    loadProblem.value = error instanceof Error ? error.message : String(error);
    // Who is not logged in gets the login form, not a retry.
    if (isApiError(error) && error.status === 401) return;
    retry = setTimeout(() => void start(), RETRY_MS);
  }
}

export function stop(): void {
  clearTimeout(retry);
  feed.stop();
}

/** The answer to a request may come after events that tell what became of it since: those stand. */
export function noteAction(action: ActionRecord): void {
  if (!isFurther(actions.value.get(action.id), action)) put(actions, [action]);
}

export function noteRollout(rollout: RolloutRecord): void {
  if (!isFurther(rollouts.value.get(rollout.id), rollout)) put(rollouts, [rollout]);
}

type Progress = Pick<ActionRecord, 'ended_ms' | 'counts'>;
const isFurther = (known: Progress | undefined, told: Progress): boolean =>
  known !== undefined &&
  ((known.ended_ms !== null && told.ended_ms === null) ||
    known.counts.pending < told.counts.pending);

export function noteAlert(alert: AlertRecord): void {
  put(alerts, [alert]);
}
