import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import { ROUTE_REASONS } from '../../../src/protocol/index.ts';
import {
  afterCloudFailure,
  decide,
  type NodeState,
  type RoutePolicy,
  type RouteRequest,
} from '../../../src/router/index.ts';

const request: RouteRequest = {
  route: 'auto',
  privacy: 'any',
  modelAt: null,
  promptTokens: 20,
  deadlineMs: null,
  sessionTarget: null,
};
const state: NodeState = {
  edge: { available: true, promptTokensMost: 2000, waitS: 0, answerMs: 4000, pausedBy: null },
  cloud: { tiers: [1, 2], reachable: true, budgetLeft: true, answerMs: 1500 },
};
const policy: RoutePolicy = { policy: 'auto', difficultyThreshold: 0.5, queuePressureS: 30 };

const anyRequest = fc.record({
  route: fc.constantFrom('auto', 'edge', 'cloud'),
  privacy: fc.constantFrom('local', 'redact', 'any'),
  modelAt: fc.constantFrom(null, 'edge', 'cloud'),
  promptTokens: fc.option(fc.nat(5000)),
  deadlineMs: fc.option(fc.nat(100_000)),
  sessionTarget: fc.constantFrom(null, 'edge', 'cloud'),
}) satisfies fc.Arbitrary<RouteRequest>;
const anyState = fc.record({
  edge: fc.record({
    available: fc.boolean(),
    promptTokensMost: fc.nat(4000),
    waitS: fc.nat(100),
    answerMs: fc.option(fc.nat(100_000)),
    pausedBy: fc.constantFrom(null, 'power', 'thermal'),
  }),
  cloud: fc.record({
    tiers: fc.constantFrom([], [1], [1, 2], [2, 5, 9]),
    reachable: fc.boolean(),
    budgetLeft: fc.boolean(),
    answerMs: fc.option(fc.nat(100_000)),
  }),
}) satisfies fc.Arbitrary<NodeState>;
const anyPolicy = fc.record({
  policy: fc.constantFrom('auto', 'edge', 'cloud'),
  difficultyThreshold: fc.double({ min: 0, max: 1, noNaN: true }),
  queuePressureS: fc.nat(60),
}) satisfies fc.Arbitrary<RoutePolicy>;
const anyDifficulty = fc.double({ min: 0, max: 1, noNaN: true });

/** Every combination but the one that is refused: local prompts that insist on the cloud. */
function holds(
  property: (
    decision: ReturnType<typeof decide>,
    given: { request: RouteRequest; state: NodeState; policy: RoutePolicy; difficulty: number },
  ) => void,
): void {
  fc.assert(
    fc.property(anyRequest, anyState, anyPolicy, anyDifficulty, (req, node, rules, difficulty) => {
      fc.pre(!(req.privacy === 'local' && req.route === 'cloud'));
      property(decide(req, difficulty, node, rules), {
        request: req,
        state: node,
        policy: rules,
        difficulty,
      });
    }),
    { numRuns: 2000 },
  );
}

describe('what no state and no setting can change', () => {
  it('local prompts stay on the board', () => {
    holds((decision, given) => {
      if (given.request.privacy === 'local') {
        expect(decision).toMatchObject({ target: 'edge', reasons: ['privacy_local'] });
      }
    });
  });

  it('local prompts that insist on the cloud are refused', () => {
    fc.assert(
      fc.property(
        anyRequest,
        anyState,
        anyPolicy,
        anyDifficulty,
        (req, node, rules, difficulty) => {
          const insisting = { ...req, privacy: 'local', route: 'cloud' } as const;
          const run = () => decide(insisting, difficulty, node, rules);
          expect(run).toThrow(TwowattError);
          expect(run).toThrow(/local/);
        },
      ),
    );
  });

  it('route cloud never yields the board, route edge never the cloud', () => {
    holds((decision, given) => {
      if (given.request.route !== 'auto') expect(decision.target).toBe(given.request.route);
    });
  });

  it('reasons are of the protocol’s list, never empty, never twice', () => {
    holds(({ reasons }) => {
      expect(reasons.length).toBeGreaterThan(0);
      expect(new Set(reasons).size).toBe(reasons.length);
      expect(ROUTE_REASONS).toEqual(expect.arrayContaining(reasons));
    });
  });

  it('an unusable cloud gets nothing but prompts that insist on it', () => {
    holds((decision, { request: req, state: { cloud } }) => {
      const usable = cloud.tiers.length > 0 && cloud.reachable && cloud.budgetLeft;
      const insists = req.route === 'cloud' || (req.route === 'auto' && req.modelAt === 'cloud');
      if (!usable && !insists) expect(decision.target).toBe('edge');
    });
  });

  it('the tier is a configured one, and none on the board', () => {
    holds((decision, { state: { cloud } }) => {
      if (decision.target === 'edge') expect(decision.tier).toBeNull();
      else if (cloud.tiers.length > 0) expect(cloud.tiers).toContain(decision.tier);
    });
  });

  it('a harder prompt never comes back from the cloud', () => {
    fc.assert(
      fc.property(
        anyRequest,
        anyState,
        anyPolicy,
        anyDifficulty,
        anyDifficulty,
        (req, node, rules, one, other) => {
          fc.pre(!(req.privacy === 'local' && req.route === 'cloud'));
          const easier = decide(req, Math.min(one, other), node, rules);
          const harder = decide(req, Math.max(one, other), node, rules);
          if (easier.target === 'cloud') {
            expect(harder.target).toBe('cloud');
            expect(harder.tier).toBeGreaterThanOrEqual(easier.tier ?? 0);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('after a failed cloud call the board answers, except where the prompt insists', () => {
    holds((decision, { request: req }) => {
      const next = afterCloudFailure(req, decision);
      const insists = req.route === 'cloud' || (req.route === 'auto' && req.modelAt === 'cloud');
      if (insists) expect(next).toBeNull();
      else {
        expect(next).toMatchObject({ target: 'edge', tier: null });
        expect(next?.reasons.at(-1)).toBe('offline_fallback');
      }
    });
  });
});

describe('the order of the reasons', () => {
  const edge = (changes: Partial<NodeState['edge']>): NodeState => ({
    ...state,
    edge: { ...state.edge, ...changes },
  });
  const cloud = (changes: Partial<NodeState['cloud']>): NodeState => ({
    ...state,
    cloud: { ...state.cloud, ...changes },
  });

  it.each([
    ['easy', {}, state, 0.2, 'edge', ['low_difficulty']],
    ['at the threshold', {}, state, 0.5, 'edge', ['low_difficulty']],
    ['hard', {}, state, 0.8, 'cloud', ['high_difficulty']],
    ['hard, masked', { privacy: 'redact' }, state, 0.8, 'cloud', ['high_difficulty']],
    ['too long', { promptTokens: 2001 }, state, 0.1, 'cloud', ['context_too_long']],
    ['late here', { deadlineMs: 3000 }, state, 0.1, 'cloud', ['deadline']],
    ['late everywhere', { deadlineMs: 1000 }, state, 0.1, 'edge', ['low_difficulty']],
    ['no engine', {}, edge({ available: false }), 0.1, 'cloud', ['edge_unavailable']],
    ['no power', {}, edge({ pausedBy: 'power' }), 0.1, 'cloud', ['power_limited']],
    ['too hot', {}, edge({ pausedBy: 'thermal' }), 0.1, 'cloud', ['thermal_limited']],
    ['a queue', {}, edge({ waitS: 31 }), 0.1, 'cloud', ['queue_pressure']],
    ['a session here', { sessionTarget: 'edge' }, state, 0.9, 'edge', ['session_sticky']],
    ['a session there', { sessionTarget: 'cloud' }, state, 0.1, 'cloud', ['session_sticky']],
    [
      'a session there, no cloud',
      { sessionTarget: 'cloud' },
      cloud({ reachable: false }),
      0.1,
      'edge',
      ['low_difficulty'],
    ],
    [
      'a full board and a session here',
      { sessionTarget: 'edge' },
      edge({ waitS: 31 }),
      0.1,
      'cloud',
      ['queue_pressure'],
    ],
    [
      'several',
      { promptTokens: 9000 },
      edge({ available: false, waitS: 99 }),
      0.1,
      'cloud',
      ['context_too_long', 'edge_unavailable', 'queue_pressure'],
    ],
    ['no cloud', {}, cloud({ tiers: [] }), 0.9, 'edge', ['high_difficulty', 'cloud_unavailable']],
    [
      'no money',
      {},
      cloud({ budgetLeft: false }),
      0.9,
      'edge',
      ['high_difficulty', 'cloud_budget_exhausted'],
    ],
    [
      'no network',
      {},
      cloud({ reachable: false }),
      0.9,
      'edge',
      ['high_difficulty', 'cloud_unavailable', 'offline_fallback'],
    ],
    [
      'insists, no network',
      { route: 'cloud' },
      cloud({ reachable: false }),
      0.1,
      'cloud',
      ['explicit', 'cloud_unavailable'],
    ],
    ['names a cloud model', { modelAt: 'cloud' }, state, 0.1, 'cloud', ['explicit']],
    ['names the board’s', { modelAt: 'edge' }, state, 0.9, 'edge', ['explicit']],
  ] as const)('%s', (_, changes, node, difficulty, target, reasons) => {
    const decision = decide({ ...request, ...changes }, difficulty, node, policy);
    expect(decision).toMatchObject({ target, reasons, difficulty });
  });

  it('router.policy edge and cloud', () => {
    const stay = { ...policy, policy: 'edge' } as const;
    expect(decide(request, 0.9, edge({ waitS: 99 }), stay)).toMatchObject({ target: 'edge' });
    const prefer = { ...policy, policy: 'cloud' } as const;
    expect(decide(request, 0.1, state, prefer)).toMatchObject({ target: 'cloud', tier: 1 });
    expect(decide(request, 0.1, cloud({ tiers: [] }), prefer)).toMatchObject({
      target: 'edge',
      reasons: ['explicit', 'cloud_unavailable'],
    });
  });

  it('spreads difficulty over the tiers', () => {
    const tiers = [0.51, 0.74, 0.76, 1].map((d) => decide(request, d, state, policy).tier);
    expect(tiers).toEqual([1, 1, 2, 2]);
  });
});
