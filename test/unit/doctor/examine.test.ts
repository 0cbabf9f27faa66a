import { describe, expect, it } from 'vitest';
import { DEADLINES_MS, examine, START_MS, type StartProbes } from '../../../src/doctor/examine.ts';
import type { Outcomes, ProbeName } from '../../../src/doctor/facts.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const NAMES: ProbeName[] = ['config', 'storage', 'board', 'model', 'governor', 'broker', 'verify'];

/** What a probe does in this test: answers after so long, hangs, or takes its process along. */
type Behaviour = { afterMs: number } | 'hangs' | 'dies' | 'invalid';

function bench(behaviours: Partial<Record<ProbeName, Behaviour>>) {
  const clock = createVirtualClock();
  const started: string[][] = [];
  const killed: number[] = [];
  const start: StartProbes = (names, { onOutcome, onEnd }) => {
    const number = started.push([...names]);
    let alive = true;
    const next = (at: number) => {
      const name = names[at];
      if (!alive || name === undefined) return;
      const behaviour = behaviours[name] ?? { afterMs: 100 };
      if (behaviour === 'hangs') return;
      if (behaviour === 'dies') return onEnd('SIGSEGV');
      if (behaviour === 'invalid') {
        return onOutcome(name, { ok: false, reason: 'mqtt.url: no', invalid: true });
      }
      clock.setTimer(behaviour.afterMs, () => {
        if (!alive) return;
        onOutcome(name, { ok: true, value: name });
        next(at + 1);
      });
    };
    clock.setTimer(1_000, () => next(0));
    return {
      kill() {
        alive = false;
        killed.push(number);
      },
    };
  };
  const asked: ProbeName[] = [];
  const onProbe = (name: ProbeName) => void asked.push(name);
  let outcomes: Outcomes | undefined;
  void examine({ names: NAMES, start, clock, onProbe }).then((result) => (outcomes = result));
  return { clock, started, killed, asked, outcomes: () => outcomes };
}

const reasons = (outcomes: Outcomes | undefined) =>
  Object.fromEntries(
    Object.entries(outcomes ?? {}).map(([name, one]) => [name, one.ok ? 'ok' : one.reason]),
  );

describe('examining', () => {
  it('takes one process when nothing hangs, and ends it', async () => {
    const { clock, started, killed, outcomes } = bench({});
    await clock.advance(2_000);
    expect(reasons(outcomes())).toEqual(Object.fromEntries(NAMES.map((name) => [name, 'ok'])));
    expect(started).toEqual([NAMES]);
    expect(killed).toEqual([1]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it.each(['storage', 'board', 'broker'] as const)(
    'loses %s alone when it hangs, and goes on in a new process',
    async (name) => {
      const { clock, started, killed, outcomes } = bench({ [name]: 'hangs' });
      await clock.advance(1_000 + 100 * NAMES.indexOf(name) + DEADLINES_MS[name] - 1);
      expect(outcomes()).toBeUndefined();
      expect(started).toHaveLength(1);
      await clock.advance(1 + 2_000);
      const seconds = DEADLINES_MS[name] / 1000;
      expect(reasons(outcomes())).toEqual({
        ...Object.fromEntries(NAMES.map((one) => [one, 'ok'])),
        [name]: `no answer within ${seconds} s: it hangs`,
      });
      expect(started[1]).toEqual(NAMES.slice(NAMES.indexOf(name) + 1));
      expect(killed).toEqual([1, 2]);
      expect(clock.pendingTimers()).toBe(0);
    },
  );

  it('does not run into the same wall again', async () => {
    const { clock, started, outcomes } = bench({ model: 'hangs' });
    await clock.advance(DEADLINES_MS.model + 4_000);
    expect(reasons(outcomes())).toMatchObject({
      model: 'no answer within 15 s: it hangs',
      governor: 'not looked at: it needs the model',
      verify: 'not looked at: it needs the model',
      broker: 'ok',
    });
    expect(started[1]).toEqual(['broker']);
  });

  it('survives a process that dies', async () => {
    const { clock, outcomes } = bench({ board: 'dies' });
    await clock.advance(5_000);
    expect(reasons(outcomes())).toMatchObject({
      board: 'looking at it ended with SIGSEGV',
      verify: 'ok',
    });
  });

  it('ends in bounded time when everything hangs', async () => {
    const all = Object.fromEntries(NAMES.map((name) => [name, 'hangs'] as const));
    const { clock, outcomes } = bench({ ...all, config: { afterMs: 1 } });
    const bound = NAMES.reduce((sum, name) => sum + DEADLINES_MS[name] + START_MS, 0);
    await clock.advance(bound);
    expect(Object.keys(outcomes() ?? {})).toHaveLength(NAMES.length);
    expect(clock.pendingTimers()).toBe(0);
  });

  it.each([
    ['is wrong', 'invalid'],
    ['hangs', 'hangs'],
  ] as const)('looks at nothing else when the configuration %s', async (_how, behaviour) => {
    const { clock, asked, outcomes } = bench({ config: behaviour });
    await clock.advance(START_MS + DEADLINES_MS.config);
    expect(Object.keys(outcomes() ?? {})).toEqual(['config']);
    expect(asked).toEqual(['config']);
  });
});
