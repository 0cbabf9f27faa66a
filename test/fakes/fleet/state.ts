import type {
  ActionRecord,
  ActionResult,
  AlertRecord,
  AlertRule,
  AuditEntry,
  FleetEventName,
  FleetEvents,
  RolloutRecord,
  RolloutWave,
} from '../../../src/protocol/fleet/index.ts';
import { alertsExample, noCounts, rulesExample } from './answers.ts';
import { makeBoards, seeded, stir, type VirtualBoard } from './boards.ts';

export type FakeFleetOptions = {
  boards: number;
  /** Boards that report again, per second. */
  updatesPerS?: number;
  readOnly?: string;
  /** Asks for `op` / `correct horse battery`. */
  login?: boolean;
  /** How long a board takes for a request, milliseconds. */
  answerMs?: number;
};

const waiting = (boards: string[]): RolloutWave => ({ boards, state: 'waiting', asked: 0 });

/** Everything that the fake fleet server knows. Events go to whoever listens. */
export type FakeFleet = ReturnType<typeof createFakeFleet>;

export function createFakeFleet(options: FakeFleetOptions) {
  const boards = new Map<string, VirtualBoard>();
  for (const board of makeBoards(options.boards, Date.now())) boards.set(board.record.node, board);
  const records = () => [...boards.values()].map(({ record }) => record);
  const chance = seeded(99);
  const changedAt = new Map<string, number>();
  let seq = 1;
  const alerts = new Map<string, AlertRecord>();
  for (const alert of alertsExample(records(), Date.now())) alerts.set(alert.id, alert);
  const rules = new Map<string, AlertRule>(rulesExample(Date.now()).map((rule) => [rule.id, rule]));
  const actions = new Map<string, ActionRecord>();
  const rollouts = new Map<string, RolloutRecord>();
  const audit: AuditEntry[] = [];
  const listeners = new Set<(name: FleetEventName, data: FleetEvents[FleetEventName]) => void>();
  const timers = new Set<NodeJS.Timeout>();
  let nextId = 1;

  const tell = <Name extends FleetEventName>(name: Name, data: FleetEvents[Name]): void => {
    for (const listener of listeners) listener(name, data);
  };
  const later = (ms: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };
  const touch = (node: string): void => {
    seq += 1;
    changedAt.set(node, seq);
  };
  const note = (what: string, text: string, user = 'op'): void => {
    audit.unshift({
      id: audit.length + 1,
      at_ms: Date.now(),
      user,
      from: '127.0.0.1',
      what,
      text,
      detail: null,
    });
  };

  /** What a board does when it is asked; the page must see it in the rows afterwards. */
  function perform(node: string, verb: string, args: Record<string, unknown>): ActionResult {
    const board = boards.get(node);
    const base = { node, data: null, error: null, took_ms: 40 };
    if (board === undefined || board.record.status === 'offline') {
      return { ...base, status: 'timeout', took_ms: null };
    }
    const { record } = board;
    if (verb.startsWith('model.')) {
      const error = {
        code: 'unsupported' as const,
        message: `${verb} is not served by this version`,
        retryable: false,
      };
      return { ...base, status: 'error', error };
    }
    if (verb === 'governor.set' && record.telemetry !== null) {
      record.telemetry.power.budget_w = Number(args['budget_w']);
      stir(board, Date.now(), chance);
    }
    if (verb === 'drain') record.status = 'draining';
    if (verb === 'resume') record.status = 'online';
    touch(node);
    return { ...base, status: 'ok', data: args };
  }

  function act(
    verb: ActionRecord['verb'],
    args: Record<string, unknown>,
    nodes: string[],
  ): ActionRecord {
    const id = `act-${nextId++}`;
    const record: ActionRecord = {
      id,
      verb,
      args,
      user: 'op',
      began_ms: Date.now(),
      ended_ms: null,
      counts: { ...noCounts(), sent: nodes.length },
      results: nodes.map((node) => ({
        node,
        status: 'sent',
        data: null,
        error: null,
        took_ms: null,
      })),
    };
    actions.set(id, record);
    note('action', `${verb} ${JSON.stringify(args)} on ${nodes.length} boards`);
    later(options.answerMs ?? 150, () => {
      const results = nodes.map((node) => perform(node, verb, args));
      const counts = noCounts();
      for (const { status } of results) counts[status] += 1;
      const ended = { ...record, results, counts, ended_ms: Date.now() };
      actions.set(id, ended);
      tell('action', ended);
    });
    return record;
  }

  function rollOut(
    plan: Pick<
      RolloutRecord,
      'verb' | 'args' | 'canary_share' | 'wave_share' | 'soak_s' | 'max_failures'
    >,
    nodes: string[],
  ): RolloutRecord {
    const canary = Math.max(1, Math.round(nodes.length * plan.canary_share));
    const wave = Math.max(1, Math.round(nodes.length * plan.wave_share));
    const waves: RolloutWave[] = [nodes.slice(0, canary)].map(waiting);
    for (let at = canary; at < nodes.length; at += wave) {
      waves.push(waiting(nodes.slice(at, at + wave)));
    }
    const record: RolloutRecord = {
      ...plan,
      id: `roll-${nextId++}`,
      user: 'op',
      began_ms: Date.now(),
      ended_ms: null,
      state: 'running',
      reason: null,
      halt_on: null,
      waves,
      soak_until_ms: null,
      counts: { ...noCounts(), pending: nodes.length },
      problems: [],
    };
    rollouts.set(record.id, record);
    note('rollout', `${plan.verb} on ${nodes.length} boards`);
    later(options.answerMs ?? 150, () => step(record.id, 0));
    return record;
  }

  function step(id: string, index: number): void {
    const record = rollouts.get(id);
    if (record === undefined || record.ended_ms !== null) return;
    const wave = record.waves[index];
    if (wave === undefined) {
      save({ ...record, state: 'done', ended_ms: Date.now(), soak_until_ms: null });
      return;
    }
    const counts = { ...record.counts };
    const problems = [...record.problems];
    for (const node of wave.boards) {
      const { status, error } = perform(node, record.verb, record.args);
      counts[status] += 1;
      counts.pending -= 1;
      if (status !== 'ok') problems.push({ node, reason: error?.message ?? 'no answer' });
    }
    const waves = record.waves.map((each, at) =>
      at === index ? { ...each, state: 'done' as const, asked: each.boards.length } : each,
    );
    const failed = counts.error + counts.timeout;
    if (failed > record.max_failures) {
      const reason = `${failed} boards failed, ${record.max_failures} allowed`;
      save({ ...record, waves, counts, problems, state: 'halted', reason });
      return;
    }
    save({
      ...record,
      waves,
      counts,
      problems,
      state: 'soaking',
      soak_until_ms: Date.now() + record.soak_s * 1000,
    });
    later(Math.max(50, record.soak_s * 1000), () => step(id, index + 1));
  }

  function save(record: RolloutRecord): void {
    rollouts.set(record.id, record);
    tell('rollout', record);
  }

  /** Some boards report again. */
  function update(count: number): void {
    const all = [...boards.values()];
    for (let i = 0; i < count; i += 1) {
      const board = all[Math.floor(chance() * all.length)];
      if (board === undefined || board.record.status !== 'online') continue;
      stir(board, Date.now(), chance);
      touch(board.record.node);
    }
  }

  return {
    options,
    boards,
    records,
    alerts,
    rules,
    actions,
    rollouts,
    audit,
    listeners,
    tell,
    act,
    rollOut,
    save,
    step,
    update,
    note,
    touch,
    seq: () => seq,
    changedSince: (since: number) =>
      [...changedAt].filter(([, at]) => at > since).flatMap(([node]) => boards.get(node) ?? []),
    newId: (kind: string) => `${kind}-${nextId++}`,
    close(): void {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
