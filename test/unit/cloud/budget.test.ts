import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DailyBudget, type Reservation } from '../../../src/cloud/budget.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { createMemoryStore, type MemoryStore } from '../../fakes/cloud.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';

const HOUR = 3_600_000;

function open(store: MemoryStore, clock: VirtualClock, limitPerDay = 10, currency = 'USD') {
  return new DailyBudget({ limitPerDay, currency, store }, clock, silentLogger);
}

function spend(budget: DailyBudget, amount: number): boolean {
  const reservation = budget.reserve(amount);
  reservation?.settle(amount);
  return reservation !== null;
}

describe('the budget of a day', () => {
  it('is never overrun, by whatever order of reservations, settlements, crashes and restarts', () => {
    const action = fc.oneof(
      fc.record({
        do: fc.constant('reserve' as const),
        amount: fc.double({ min: 0, max: 4, noNaN: true }),
      }),
      fc.record({
        do: fc.constant('settle' as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({ do: fc.constant('close' as const) }),
      fc.record({ do: fc.constant('crash' as const) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const clock = createVirtualClock();
        const store = createMemoryStore();
        let budget = open(store, clock);
        let running: { upper: number; reservation: Reservation }[] = [];
        let charged = 0;
        for (const step of actions) {
          if (step.do === 'reserve') {
            const reservation = budget.reserve(step.amount);
            if (reservation !== null) running.push({ upper: step.amount, reservation });
          } else if (step.do === 'settle') {
            const one = running.shift();
            charged += (one?.upper ?? 0) * step.part;
            one?.reservation.settle(one.upper * step.part);
          } else {
            // Calls in flight may have been charged in full.
            charged += running.reduce((sum, { upper }) => sum + upper, 0);
            if (step.do === 'close') {
              for (const { upper, reservation } of running) reservation.settle(upper);
              budget.close();
            }
            running = [];
            budget = open(store, clock);
          }
          expect(charged).toBeLessThanOrEqual(10 + 1e-9);
          expect(budget.state().spent).toBeGreaterThanOrEqual(charged - 1e-9);
        }
      }),
    );
  });

  it('goes on after a restart with what was spent, exactly', () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    const before = open(store, clock);
    spend(before, 4);
    before.close();
    expect(open(store, clock).state()).toMatchObject({ spent: 4, left: 6, reserved: 0 });
  });

  it('counts what ran at a power cut as spent', () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    expect(open(store, clock).reserve(3)).not.toBeNull();
    expect(open(store, clock).state().spent).toBeGreaterThanOrEqual(3);
    expect(open(store, clock).state().spent).toBeLessThanOrEqual(3.1 + 1e-9);
  });

  it('writes to the store far less often than there are calls', () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    const budget = open(store, clock);
    for (let n = 0; n < 5000; n++) expect(spend(budget, 0.0019)).toBe(true);
    expect(store.saves).toBeLessThan(120);
  });

  it('lends nothing that cannot be stored', () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    const budget = open(store, clock);
    store.failing = true;
    expect(budget.reserve(1)).toBeNull();
    store.failing = false;
    expect(budget.reserve(1)).not.toBeNull();
  });

  it('begins anew on the next UTC day', async () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    const budget = open(store, clock);
    expect(spend(budget, 9)).toBe(true);
    await clock.advance(23 * HOUR);
    expect(spend(budget, 9)).toBe(false);
    expect(budget.state().exhausted).toBe(true);
    expect(budget.refusal(9)).toMatchObject({
      code: 'cloud_budget_exhausted',
      retryAfterMs: HOUR,
    });
    await clock.advance(HOUR);
    expect(budget.state()).toMatchObject({ spent: 0, exhausted: false });
    expect(spend(budget, 9)).toBe(true);
    expect(open(store, clock).state().spent).toBeGreaterThanOrEqual(9);
  });

  it('counts 24 hours of running time while the clock is not to be trusted', async () => {
    const [clock, store] = [
      createVirtualClock({ wallTrusted: false, wallMs: 0 }),
      createMemoryStore(),
    ];
    const before = open(store, clock);
    expect(spend(before, 9)).toBe(true);
    await clock.advance(20 * HOUR);
    before.close();
    clock.reboot({ wallTrusted: false });
    clock.jumpWall(400 * 24 * HOUR);
    const after = open(store, clock);
    await clock.advance(3.9 * HOUR);
    expect(spend(after, 9)).toBe(false);
    await clock.advance(0.1 * HOUR);
    expect(spend(after, 9)).toBe(true);
  });

  it('takes an undated day for the one that the clock then names', async () => {
    const [clock, store] = [
      createVirtualClock({ wallTrusted: false, wallMs: 0 }),
      createMemoryStore(),
    ];
    const budget = open(store, clock);
    spend(budget, 9);
    clock.jumpWall(Date.UTC(2026, 6, 1, 12));
    clock.setWallTrusted(true);
    expect(spend(budget, 9)).toBe(false);
    await clock.advance(12 * HOUR);
    expect(spend(budget, 9)).toBe(true);
  });

  it('gains nothing from a clock that is set back, or flips to and fro', async () => {
    const clock = createVirtualClock();
    const budget = open(createMemoryStore(), clock);
    spend(budget, 9);
    clock.jumpWall(-48 * HOUR);
    expect(spend(budget, 9)).toBe(false);
    let spent = 9;
    for (let n = 0; n < 20; n++) {
      clock.jumpWall(n % 2 === 0 ? 72 * HOUR : -72 * HOUR);
      if (spend(budget, 9)) spent += 9;
      await clock.advance(HOUR / 10);
    }
    // One jump over midnight looks like any other midnight.
    expect(spent).toBe(18);
  });

  it('never refuses without a limit, and still counts', () => {
    const budget = open(createMemoryStore(), createVirtualClock(), 0);
    for (let n = 0; n < 10; n++) expect(spend(budget, 1000)).toBe(true);
    expect(budget.state()).toMatchObject({ spent: 10_000, left: null, limit: 0 });
  });

  it.each([
    ['damaged', 'nonsense'],
    ['of another form', { version: 9 }],
  ])('starts anew with a stored state that is %s', (_name, state) => {
    const store = createMemoryStore();
    store.save(state);
    expect(open(store, createVirtualClock()).state().spent).toBe(0);
  });

  it('starts anew in another currency', () => {
    const [clock, store] = [createVirtualClock(), createMemoryStore()];
    const before = open(store, clock);
    spend(before, 4);
    before.close();
    expect(open(store, clock, 10, 'CNY').state().spent).toBe(0);
  });

  it('settles a reservation once', () => {
    const budget = open(createMemoryStore(), createVirtualClock());
    const reservation = budget.reserve(5);
    reservation?.settle(2);
    reservation?.settle(2);
    expect(budget.state()).toMatchObject({ spent: 2, reserved: 0 });
  });
});
