import type { InferOutput } from 'valibot';
import { type Clock, newId, TwowattError } from '../../core/index.ts';
import {
  type ActionRecord,
  type ActionResult,
  type ActionStatus,
  type ActionVerb,
  type actionSchema,
  type BoardRecord,
  type NodeSelection,
} from '../../protocol/fleet/index.ts';
import type { FleetStore } from '../store/index.ts';
import type { Registry } from './registry.ts';
import type { Requests } from './requests.ts';
import { createSelector } from './selection.ts';

/** Boards that are asked side by side. */
const AT_ONCE = 64;
/** Progress is told and stored no more often than this. */
const PROGRESS_MS = 500;
/** Results in events and lists; all of them are at `GET /api/actions/:id`. */
const MOST_RESULTS_TOLD = 200;
/** Looked through at the start for what a dead server left; records of large actions have a megabyte each. */
const ORPHANS_AMONG = 50;

export const NO_COUNTS: Record<ActionStatus, number> = {
  pending: 0,
  sent: 0,
  ok: 0,
  error: 0,
  timeout: 0,
  skipped: 0,
};

export type Actions = {
  /** Begins it and answers at once; progress goes to `tell`. */
  start(input: InferOutput<typeof actionSchema>, user: string): Promise<ActionRecord>;
  /**
   * Asks these boards in their order, 64 at a time; `onResult` when one is asked (`sent`) and when it is done.
   * Resolves when all have answered or timed out; after an abort, when those have that were asked.
   */
  perform(
    verb: ActionVerb,
    args: Record<string, unknown>,
    nodes: readonly string[],
    onResult: (result: ActionResult) => void,
    signal?: AbortSignal,
  ): Promise<void>;
  list(limit: number): Promise<ActionRecord[]>;
  get(id: string): Promise<ActionRecord | undefined>;
  /** Ends what this server left running when it died; what had not answered by then is a `timeout`. */
  endOrphans(): Promise<void>;
};

/** The boards of a selection, by id. Throws `invalid_request` when none or another number than expected is meant. */
export function selectBoards(
  registry: Registry,
  selection: NodeSelection,
  expected: number | undefined,
): BoardRecord[] {
  const refuse = (text: string) => {
    throw new TwowattError('invalid_request', text, { param: 'boards' });
  };
  if (Object.values(selection).every((part) => part === undefined)) {
    refuse('boards: say which; an empty selection would be the whole fleet');
  }
  const unknown = selection.nodes?.find((node) => registry.board(node) === undefined);
  if (unknown !== undefined) refuse(`boards: there is no board ${unknown}`);
  const selects = createSelector(selection);
  const boards = registry.boards().filter(selects);
  if (boards.length === 0) refuse('boards: the selection holds no board');
  if (expected !== undefined && expected !== boards.length) {
    refuse(`boards: the selection holds ${boards.length} boards now, not ${expected}; look again`);
  }
  return boards.sort((a, b) => (a.node < b.node ? -1 : 1));
}

export function createActions(options: {
  registry: Registry;
  requests: Requests;
  store: FleetStore;
  clock: Clock;
  /** Marks the actions of this server among those of several. */
  serverId: string;
  tell: (action: ActionRecord) => void;
}): Actions {
  const { registry, requests, store, clock, serverId } = options;
  const running = new Map<string, ActionRecord>();

  const perform: Actions['perform'] = async (verb, args, nodes, onResult, signal) => {
    const queue = nodes.values();
    const worker = async (): Promise<void> => {
      for (const node of queue) {
        if (signal?.aborted === true) return;
        const began = clock.monotonicMs();
        const result: ActionResult = {
          node,
          status: 'sent',
          data: null,
          error: null,
          took_ms: null,
        };
        if (registry.board(node)?.status === 'offline') {
          onResult({ ...result, status: 'skipped' });
          continue;
        }
        onResult(result);
        const outcome = await requests.send(node, verb, args);
        onResult({
          ...result,
          status: outcome.status,
          data: outcome.status === 'ok' ? outcome.data : null,
          error: outcome.status === 'error' ? outcome.error : null,
          took_ms: Math.round(clock.monotonicMs() - began),
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, nodes.length) }, worker));
  };

  async function run(record: ActionRecord): Promise<void> {
    const places = new Map(record.results.map(({ node }, index) => [node, index]));
    const work = perform(
      record.verb,
      record.args,
      record.results.map(({ node }) => node),
      (result) => {
        const place = places.get(result.node) ?? 0;
        const before = record.results[place];
        if (before !== undefined) record.counts[before.status] -= 1;
        record.counts[result.status] += 1;
        record.results[place] = result;
      },
    );
    const progress = clock.setRepeating(PROGRESS_MS, () => options.tell(brief(record)));
    try {
      await work;
    } finally {
      progress.cancel();
    }
    record.ended_ms = clock.wallMs();
    await store.putDocument('action', record.id, record, clock.wallMs());
    running.delete(record.id);
    options.tell(brief(record));
  }

  return {
    perform,
    async start(input, user) {
      const boards = selectBoards(registry, input.boards, input.expected_boards);
      const record: ActionRecord = {
        id: `${serverId}.${newId()}`,
        verb: input.verb,
        args: input.args,
        user,
        began_ms: clock.wallMs(),
        ended_ms: null,
        counts: { ...NO_COUNTS, pending: boards.length },
        results: boards.map(({ node }) => ({
          node,
          status: 'pending',
          data: null,
          error: null,
          took_ms: null,
        })),
      };
      running.set(record.id, record);
      await store.putDocument('action', record.id, record, clock.wallMs());
      run(record).catch(() => running.delete(record.id));
      return record;
    },
    async list(limit) {
      const stored = (await store.documents('action', { limit })).map(
        ({ id, body }) => running.get(id) ?? (body as ActionRecord),
      );
      return stored.map(brief).sort((a, b) => b.began_ms - a.began_ms);
    },
    async get(id) {
      return (
        running.get(id) ?? ((await store.document('action', id))?.body as ActionRecord | undefined)
      );
    },
    async endOrphans() {
      for (const { body } of await store.documents('action', { limit: ORPHANS_AMONG })) {
        const record = body as ActionRecord;
        if (record.ended_ms !== null || !record.id.startsWith(`${serverId}.`)) continue;
        record.ended_ms = clock.wallMs();
        record.counts.timeout += record.counts.pending + record.counts.sent;
        record.counts.pending = record.counts.sent = 0;
        record.results = record.results.map((result) =>
          result.status === 'pending' || result.status === 'sent'
            ? { ...result, status: 'timeout' }
            : result,
        );
        await store.putDocument('action', record.id, record, clock.wallMs());
      }
    },
  };
}

/** Failures first, then the rest, as many as fit. */
function brief(record: ActionRecord): ActionRecord {
  if (record.results.length <= MOST_RESULTS_TOLD) return record;
  const rank = ({ status }: ActionResult) =>
    status === 'error' || status === 'timeout' ? 0 : status === 'skipped' ? 1 : 2;
  const results = record.results.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_RESULTS_TOLD);
  return { ...record, results };
}
