import { type Clock, type Logger, newId, TwowattError } from '../../core/index.ts';
import type { AlertRecord, AlertRule, BoardRecord } from '../../protocol/fleet/index.ts';
import type { FleetStore } from '../store/index.ts';
import { judge, type Judgement } from './conditions.ts';
import type { Registry } from './registry.ts';
import { createSelector } from './selection.ts';

/** A rule that all boards fulfil must not fill the store. */
const MOST_FIRING_PER_RULE = 1000;
/** A value may hover at its limit: an alert ends only after the condition was gone for this long. */
const CLEAR_MS = 10_000;

type Watched = {
  /** Monotonic: since when it holds. */
  sinceMs: number;
  alert?: AlertRecord;
  /** Monotonic: since when it no longer holds. */
  clearSinceMs?: number;
};

export type Alerts = {
  /** Looks at every rule and board once. Only the leading server calls it. */
  evaluate(): Promise<void>;
  rules(): Promise<AlertRule[]>;
  saveRule(rule: AlertRule): Promise<void>;
  deleteRule(id: string): Promise<boolean>;
  list(state: 'firing' | 'resolved' | 'all', limit: number): Promise<AlertRecord[]>;
  acknowledge(id: string, user: string, note: string): Promise<AlertRecord>;
  counts(): { firing: number; acknowledged: number };
};

/**
 * Rules over boards. One alert fires per rule and board, is told once when it begins and once when it ends,
 * and survives a restart: what fires is read from the store first, so that nothing is told twice.
 */
export function createAlerts(options: {
  store: FleetStore;
  registry: Registry;
  clock: Clock;
  logger: Logger;
  /** Tells the world: page, webhook, MQTT. Must not throw. */
  tell: (alert: AlertRecord, rule: AlertRule | undefined) => void;
}): Alerts {
  const { store, registry, clock, logger } = options;
  const watched = new Map<string, Map<string, Watched>>();
  let loaded = false;
  let counted = { firing: 0, acknowledged: 0 };

  const rules = async (): Promise<AlertRule[]> =>
    (await store.documents('rule')).map(({ body }) => body as AlertRule);

  const save = (alert: AlertRecord) => store.putDocument('alert', alert.id, alert, clock.wallMs());

  const load = async (): Promise<void> => {
    for (const alert of await firing()) {
      const boards = watched.get(alert.rule_id) ?? new Map<string, Watched>();
      boards.set(alert.node, { sinceMs: clock.monotonicMs(), alert });
      watched.set(alert.rule_id, boards);
    }
    loaded = true;
  };

  const firing = async (): Promise<AlertRecord[]> =>
    (await store.documents('alert'))
      .map(({ body }) => body as AlertRecord)
      .filter(({ state }) => state === 'firing');

  const begin = async (rule: AlertRule, board: BoardRecord, judged: Judgement) => {
    const alert: AlertRecord = {
      id: newId(),
      rule_id: rule.id,
      rule_name: rule.name,
      severity: rule.severity,
      node: board.node,
      state: 'firing',
      text: judged.text,
      value: judged.value,
      began_ms: clock.wallMs(),
      resolved_ms: null,
      acknowledged_by: null,
      acknowledged_ms: null,
      note: null,
    };
    await save(alert);
    options.tell(alert, rule);
    return alert;
  };

  const end = async (alert: AlertRecord, rule: AlertRule | undefined): Promise<void> => {
    // Somebody may have acknowledged it meanwhile, on this server or another.
    const current = (await store.document('alert', alert.id))?.body as AlertRecord | undefined;
    const ended: AlertRecord = {
      ...(current ?? alert),
      state: 'resolved',
      resolved_ms: clock.wallMs(),
    };
    await save(ended);
    options.tell(ended, rule);
  };

  async function look(rule: AlertRule, boards: readonly BoardRecord[]): Promise<void> {
    const now = clock.monotonicMs();
    const selects = createSelector(rule.boards);
    const states = watched.get(rule.id) ?? new Map<string, Watched>();
    watched.set(rule.id, states);
    const seen = new Set<string>();
    for (const board of boards) {
      if (!selects(board)) continue;
      seen.add(board.node);
      const judged = judge(rule.condition, board);
      const known = states.get(board.node);
      if (judged.holds) {
        const state = known ?? { sinceMs: now };
        delete state.clearSinceMs;
        states.set(board.node, state);
        const ripe = now - state.sinceMs >= rule.for_s * 1000;
        if (state.alert === undefined && ripe && firingOf(states) < MOST_FIRING_PER_RULE) {
          state.alert = await begin(rule, board, judged);
        }
      } else if (known !== undefined) {
        known.clearSinceMs ??= now;
        if (known.alert === undefined) states.delete(board.node);
        else if (now - known.clearSinceMs >= CLEAR_MS) {
          states.delete(board.node);
          await end(known.alert, rule);
        }
      }
    }
    // Boards that were forgotten, or that the rule no longer looks at.
    for (const [node, state] of states) {
      if (seen.has(node)) continue;
      states.delete(node);
      if (state.alert !== undefined) await end(state.alert, rule);
    }
  }

  return {
    async evaluate() {
      if (!loaded) await load();
      const all = await rules();
      const enabled = all.filter((rule) => rule.enabled);
      const boards = registry.boards();
      for (const rule of enabled) {
        try {
          await look(rule, boards);
        } catch (error) {
          logger.error({ rule: rule.id, error }, 'a rule could not be looked at');
        }
      }
      for (const [id, states] of watched) {
        if (enabled.some((rule) => rule.id === id)) continue;
        watched.delete(id);
        for (const { alert } of states.values()) {
          if (alert !== undefined)
            await end(
              alert,
              all.find((rule) => rule.id === id),
            );
        }
      }
      const now = await firing();
      counted = {
        firing: now.length,
        acknowledged: now.filter(({ acknowledged_ms: at }) => at !== null).length,
      };
    },
    rules,
    saveRule: (rule) => store.putDocument('rule', rule.id, rule, clock.wallMs()),
    deleteRule: (id) => store.deleteDocument('rule', id),
    async list(state, limit) {
      const all = (await store.documents('alert')).map(({ body }) => body as AlertRecord);
      return all.filter((alert) => state === 'all' || alert.state === state).slice(0, limit);
    },
    async acknowledge(id, user, note) {
      const found = (await store.document('alert', id))?.body as AlertRecord | undefined;
      if (found === undefined) {
        throw new TwowattError('invalid_request', 'id: there is no such alert', { param: 'id' });
      }
      const alert: AlertRecord = {
        ...found,
        acknowledged_by: user,
        acknowledged_ms: clock.wallMs(),
        note: note === '' ? null : note,
      };
      await save(alert);
      options.tell(alert, undefined);
      return alert;
    },
    counts: () => counted,
  };
}

const firingOf = (states: Map<string, Watched>): number =>
  [...states.values()].filter(({ alert }) => alert !== undefined).length;
