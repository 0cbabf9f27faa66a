import type { Clock, TimerHandle } from '../core/index.ts';
import {
  HEALTH_CODES,
  type HealthCode,
  type HealthCondition,
  type HealthSeverity,
} from '../protocol/index.ts';
import { HEALTH_TABLE } from './health-table.ts';

/** What is wrong with the node, as a list of coded conditions. */
export type Health = {
  /** Says that a condition holds; saying it again updates the text. `severity` defaults to the table's. */
  raise(code: HealthCode, facts: { text: string; severity?: HealthSeverity }): void;
  /** Says that a condition no longer holds; harmless when it did not. */
  clear(code: HealthCode): void;
  /** Conditions past their grace period, worst first. */
  list(): HealthCondition[];
  /** Forgets everything without another call of `onChange`. */
  close(): void;
};

export type HealthOptions = {
  clock: Clock;
  /** Called with the whole list whenever it has changed. */
  onChange: (conditions: HealthCondition[]) => void;
};

type Active = {
  severity: HealthSeverity;
  text: string;
  raisedAtMs: number;
  /** Undefined once the condition is shown. */
  grace: TimerHandle | undefined;
};

const WORST_FIRST: readonly HealthSeverity[] = ['error', 'warning', 'info'];

/**
 * Keeps the conditions. One that is gone before its grace period is over was never shown, however
 * often it comes back.
 */
export function createHealth({ clock, onChange }: HealthOptions): Health {
  const active = new Map<HealthCode, Active>();

  // Counted back from now: the wall clock may have been set since the condition began.
  const since = (condition: Active): string => {
    const ageMs = clock.monotonicMs() - condition.raisedAtMs;
    return new Date(Math.round(clock.wallMs() - ageMs)).toISOString();
  };

  const list = (): HealthCondition[] =>
    WORST_FIRST.flatMap((severity) =>
      HEALTH_CODES.flatMap((code) => {
        const condition = active.get(code);
        if (condition?.severity !== severity || condition.grace !== undefined) return [];
        const { title, dependsOn } = HEALTH_TABLE[code];
        const { text } = condition;
        return [
          { code, severity, title, text, since: since(condition), depends_on: [...dependsOn] },
        ];
      }),
    );

  const show = (condition: Active) => {
    condition.grace = undefined;
    onChange(list());
  };

  return {
    raise(code, { text, severity = HEALTH_TABLE[code].severity }) {
      const known = active.get(code);
      if (known !== undefined) {
        if (known.text === text && known.severity === severity) return;
        Object.assign(known, { text, severity });
        if (known.grace === undefined) onChange(list());
        return;
      }
      const raisedAtMs = clock.monotonicMs();
      const condition: Active = { severity, text, raisedAtMs, grace: undefined };
      active.set(code, condition);
      const { visibleAfterMs } = HEALTH_TABLE[code];
      if (visibleAfterMs === 0) show(condition);
      else condition.grace = clock.setTimer(visibleAfterMs, () => show(condition));
    },
    clear(code) {
      const condition = active.get(code);
      if (condition === undefined) return;
      active.delete(code);
      if (condition.grace === undefined) onChange(list());
      else condition.grace.cancel();
    },
    list,
    close() {
      for (const { grace } of active.values()) grace?.cancel();
      active.clear();
    },
  };
}
