import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createActions } from '../../../src/fleet/server/actions.ts';
import { createRegistry } from '../../../src/fleet/server/registry.ts';
import type { RequestOutcome } from '../../../src/fleet/server/requests.ts';
import { createRollouts } from '../../../src/fleet/server/rollouts.ts';
import { type FleetStore, openStore } from '../../../src/fleet/store/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

/** The store is a real one, and the machine may be busy. */
const PATIENCE = { timeout: 20_000, interval: 20 };
const BOARDS = Array.from({ length: 200 }, (_, i) => `pi-${String(i).padStart(3, '0')}`);
const AT_ONCE = 64;
const PLAN = { canary_share: 0, wave_share: 1, soak_s: 10, max_failures: 0 };
const INPUT = { verb: 'restart' as const, args: {}, boards: { nodes: BOARDS }, ...PLAN };

const stores: FleetStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

async function setUp() {
  const clock = createVirtualClock({ wallMs: Date.UTC(2026, 5, 1) });
  const store = await openStore(':memory:', silentLogger, () => clock.wallMs());
  stores.push(store);
  const registry = createRegistry({ clock, staleAfterMs: 60_000 });
  for (const node of BOARDS) {
    registry.setState(node, { state: 'online', since: null, instance: 'a' }, false);
  }
  /** A server over the same store; its boards answer when told to. */
  const serve = () => {
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const requests = {
      send: (node: string) =>
        new Promise<RequestOutcome>((resolve) => {
          asked.push(node);
          answers.push(() => resolve({ status: 'ok', data: null }));
        }),
      answered() {},
    };
    const parts = { registry, store, clock, serverId: 'a', tell() {} };
    const actions = createActions({ ...parts, requests });
    return {
      asked,
      /** Resolves when so many boards have been asked. */
      hasAsked: (count: number) => vi.waitFor(() => expect(asked).toHaveLength(count), PATIENCE),
      actions,
      rollouts: createRollouts({ ...parts, actions }),
      answerAll() {
        for (const answer of answers.splice(0)) answer();
      },
    };
  };
  return { clock, store, serve };
}

describe('a roll-out', () => {
  it('asks no board twice, and none less, when the server dies in the middle of a wave', async () => {
    const { clock, serve } = await setUp();
    const dead = serve();
    const { id } = await dead.rollouts.start(INPUT, 'ada');
    await dead.hasAsked(AT_ONCE);
    dead.answerAll();
    await dead.hasAsked(2 * AT_ONCE);
    await clock.advance(1500);
    expect(dead.asked).toEqual(BOARDS.slice(0, 2 * AT_ONCE));

    // Nothing of it is left but the store.
    const next = serve();
    await next.rollouts.haltOrphans();
    expect(await next.rollouts.get(id)).toMatchObject({ state: 'halted' });
    await next.rollouts.resume(id, 'ada');
    await next.hasAsked(AT_ONCE);
    next.answerAll();
    await next.hasAsked(BOARDS.length - 2 * AT_ONCE);
    next.answerAll();
    expect(next.asked).toEqual(BOARDS.slice(2 * AT_ONCE));
    await vi.waitFor(async () => {
      await clock.advance(1000);
      expect(await next.rollouts.get(id)).toMatchObject({ state: 'done' });
    }, PATIENCE);
    expect(await next.rollouts.get(id)).toMatchObject({
      counts: { pending: 0, ok: BOARDS.length - AT_ONCE, timeout: AT_ONCE },
    });
  });

  it('stops asking at once when it is aborted', async () => {
    const { clock, serve } = await setUp();
    const server = serve();
    const { id } = await server.rollouts.start(INPUT, 'ada');
    await server.hasAsked(AT_ONCE);
    await server.rollouts.abort(id, 'ada');
    server.answerAll();
    await vi.waitFor(async () => {
      await clock.advance(1000);
      expect(await server.rollouts.get(id)).toMatchObject({
        state: 'aborted',
        counts: { ok: AT_ONCE, pending: BOARDS.length - AT_ONCE },
      });
    }, PATIENCE);
    expect(server.asked).toHaveLength(AT_ONCE);
  });
});

describe('an action', () => {
  it('is ended by the next start when its server died', async () => {
    const { clock, serve } = await setUp();
    const dead = serve();
    const { id } = await dead.actions.start(INPUT, 'ada');
    await dead.hasAsked(AT_ONCE);
    const next = serve();
    expect(await next.actions.get(id)).toMatchObject({ ended_ms: null });
    await next.actions.endOrphans();
    expect(await next.actions.get(id)).toMatchObject({
      ended_ms: clock.wallMs(),
      counts: { pending: 0, sent: 0, timeout: BOARDS.length },
    });
  });
});
