import { type Clock, newId, sleep, TwowattError } from '../../core/index.ts';
import type {
  ActionResult,
  BoardRecord,
  RolloutRecord,
  RolloutWave,
} from '../../protocol/fleet/index.ts';
import type { rolloutSchema } from '../../protocol/fleet/index.ts';
import type { InferOutput } from 'valibot';
import type { FleetStore } from '../store/index.ts';
import { type Actions, NO_COUNTS, selectBoards } from './actions.ts';
import type { Registry } from './registry.ts';

type Input = InferOutput<typeof rolloutSchema>;

/** During a soak the boards that were done are looked at this often. */
const LOOK_MS = 2000;
const MOST_PROBLEMS = 200;
/** How far a running wave is, is stored so often: after a crash the boards since then are asked once more. */
const SAVE_MS = 1000;

export type Rollouts = {
  start(input: Input, user: string): Promise<RolloutRecord>;
  abort(id: string, user: string): Promise<RolloutRecord>;
  /** After a halt: goes on with the boards not asked yet; what made it halt counts as accepted. */
  resume(id: string, user: string): Promise<RolloutRecord>;
  list(limit: number): Promise<RolloutRecord[]>;
  get(id: string): Promise<RolloutRecord | undefined>;
  /** Roll-outs that a server left running when it died wait for a person. */
  haltOrphans(): Promise<void>;
};

/** Canary, then waves. */
export function planWaves(
  nodes: readonly string[],
  canaryShare: number,
  waveShare: number,
): string[][] {
  const canary = canaryShare === 0 ? 0 : Math.max(1, Math.round(nodes.length * canaryShare));
  const size = Math.max(1, Math.round(nodes.length * waveShare));
  const waves = canary === 0 ? [] : [nodes.slice(0, canary)];
  for (let at = canary; at < nodes.length; at += size) waves.push(nodes.slice(at, at + size));
  return waves;
}

/** Conditions that speak against going on, as the board reports them now. */
function complaints(board: BoardRecord | undefined, haltOn: readonly string[] | null): string[] {
  if (board === undefined) return ['forgotten'];
  const codes = board.health
    .filter(({ code, severity }) =>
      haltOn === null ? severity === 'error' : haltOn.includes(code),
    )
    .map(({ code }) => code as string);
  return board.status === 'offline' ? [...codes, 'offline'] : codes;
}

/**
 * The same action on many boards in stages, with a look at their health in between. It never undoes anything
 * and never goes on by itself after a halt. The record in the store is the truth; this server holds the work.
 */
export function createRollouts(options: {
  registry: Registry;
  actions: Actions;
  store: FleetStore;
  clock: Clock;
  /** Marks the roll-outs of this server among those of several. */
  serverId: string;
  tell: (rollout: RolloutRecord) => void;
}): Rollouts {
  const { registry, actions, store, clock, serverId } = options;
  const running = new Map<string, { record: RolloutRecord; stop: AbortController }>();

  const save = async (record: RolloutRecord): Promise<void> => {
    await store.putDocument('rollout', record.id, record, clock.wallMs());
    options.tell(record);
  };
  const load = async (id: string): Promise<RolloutRecord> => {
    const found =
      running.get(id)?.record ??
      ((await store.document('rollout', id))?.body as RolloutRecord | undefined);
    if (found !== undefined) return found;
    throw new TwowattError('invalid_request', 'id: there is no such roll-out', { param: 'id' });
  };

  async function run(record: RolloutRecord, signal: AbortSignal): Promise<void> {
    // What a board complained of before it was touched is not this roll-out's doing.
    const before = new Map<string, Set<string>>();
    const accepted = new Set(record.problems.map(({ node }) => node));
    const touched = record.waves.flatMap(({ state, boards }) => (state === 'done' ? boards : []));
    let failures = 0;

    const blame = (node: string, reason: string): void => {
      if (accepted.has(node)) return;
      accepted.add(node);
      failures += 1;
      if (record.problems.length < MOST_PROBLEMS) record.problems.push({ node, reason });
    };
    const inspect = (): void => {
      for (const node of touched) {
        const known = before.get(node);
        const fresh = complaints(registry.board(node), record.halt_on).find(
          (reason) => known?.has(reason) !== true,
        );
        if (fresh !== undefined && known !== undefined) blame(node, fresh);
      }
    };
    const mustHalt = (): boolean => failures > record.max_failures;
    const halt = async (): Promise<void> => {
      record.state = 'halted';
      record.soak_until_ms = null;
      record.reason = record.problems
        .slice(-3)
        .map(({ node, reason }) => `${node}: ${reason}`)
        .join('; ');
      await save(record);
    };
    const onResult = (wave: RolloutWave, result: ActionResult): void => {
      if (result.status === 'sent' || result.status === 'skipped') wave.asked += 1;
      if (result.status === 'sent') return;
      record.counts.pending -= 1;
      record.counts[result.status] += 1;
      if (result.status === 'error') blame(result.node, result.error?.message ?? 'error');
      if (result.status === 'timeout') blame(result.node, 'no answer');
    };

    for (const [index, wave] of record.waves.entries()) {
      if (wave.state === 'done') continue;
      if (wave.state === 'waiting') {
        record.state = 'running';
        wave.state = 'running';
        for (const node of wave.boards) {
          before.set(node, new Set(complaints(registry.board(node), record.halt_on)));
        }
        await save(record);
        const progress = clock.setRepeating(SAVE_MS, () => void save(record).catch(() => {}));
        try {
          const left = wave.boards.slice(wave.asked);
          const take = (result: ActionResult): void => onResult(wave, result);
          await actions.perform(record.verb, record.args, left, take, signal);
        } finally {
          progress.cancel();
        }
        touched.push(...wave.boards);
        // With the answers of those that had been asked by then.
        if (signal.aborted) return save(record);
      }
      if (mustHalt()) return halt();
      if (index < record.waves.length - 1 || record.waves.length === 1) {
        record.state = 'soaking';
        wave.state = 'soaking';
        record.soak_until_ms = clock.wallMs() + record.soak_s * 1000;
        await save(record);
        const endMs = clock.monotonicMs() + record.soak_s * 1000;
        while (clock.monotonicMs() < endMs) {
          await sleep(clock, Math.min(LOOK_MS, endMs - clock.monotonicMs()), signal);
          if (signal.aborted) return;
          inspect();
          if (mustHalt()) return halt();
        }
      }
      wave.state = 'done';
      record.soak_until_ms = null;
    }
    record.state = 'done';
    record.ended_ms = clock.wallMs();
    await save(record);
  }

  const launch = (record: RolloutRecord): void => {
    const stop = new AbortController();
    running.set(record.id, { record, stop });
    run(record, stop.signal)
      .catch(async (error: unknown) => {
        record.state = 'halted';
        record.reason = `the server could not go on: ${String(error)}`;
        await save(record).catch(() => {});
      })
      .finally(() => running.delete(record.id));
  };

  return {
    async start(input, user) {
      const boards = selectBoards(registry, input.boards, input.expected_boards);
      const nodes = boards.map(({ node }) => node);
      const record: RolloutRecord = {
        id: `${serverId}.${newId()}`,
        verb: input.verb,
        args: input.args,
        user,
        began_ms: clock.wallMs(),
        ended_ms: null,
        state: 'running',
        reason: null,
        canary_share: input.canary_share,
        wave_share: input.wave_share,
        soak_s: input.soak_s,
        halt_on: input.halt_on ?? null,
        max_failures: input.max_failures,
        waves: planWaves(nodes, input.canary_share, input.wave_share).map((wave) => ({
          boards: wave,
          state: 'waiting',
          asked: 0,
        })),
        soak_until_ms: null,
        counts: { ...NO_COUNTS, pending: nodes.length },
        problems: [],
      };
      await save(record);
      launch(record);
      return record;
    },
    async abort(id, user) {
      const record = await load(id);
      if (record.state === 'done' || record.state === 'aborted') return record;
      running.get(id)?.stop.abort();
      record.state = 'aborted';
      record.reason = `aborted by ${user}`;
      record.ended_ms = clock.wallMs();
      record.soak_until_ms = null;
      await save(record);
      return record;
    },
    async resume(id, user) {
      const record = await load(id);
      if (record.state !== 'halted' || running.has(id)) {
        throw new TwowattError('invalid_request', `the roll-out is ${record.state}, not halted`);
      }
      for (const wave of record.waves) {
        if (wave.asked >= wave.boards.length) wave.state = 'done';
        else wave.state = 'waiting';
      }
      const left = record.waves.reduce((sum, { boards, asked }) => sum + boards.length - asked, 0);
      // Whoever was asked by a server that died before the answer will not be heard any more.
      record.counts.timeout += record.counts.pending - left;
      record.counts.pending = left;
      record.state = 'running';
      record.reason = `resumed by ${user}`;
      await save(record);
      launch(record);
      return record;
    },
    async list(limit) {
      const stored = await store.documents('rollout', { limit });
      return stored
        .map(({ id, body }) => running.get(id)?.record ?? (body as RolloutRecord))
        .sort((a, b) => b.began_ms - a.began_ms);
    },
    async get(id) {
      return (
        running.get(id)?.record ??
        ((await store.document('rollout', id))?.body as RolloutRecord | undefined)
      );
    },
    async haltOrphans() {
      for (const { body } of await store.documents('rollout')) {
        const record = body as RolloutRecord;
        const ran = record.state === 'running' || record.state === 'soaking';
        if (!ran || !record.id.startsWith(`${serverId}.`)) continue;
        record.state = 'halted';
        record.soak_until_ms = null;
        record.reason = 'the fleet server that ran it was stopped';
        await save(record);
      }
    },
  };
}
