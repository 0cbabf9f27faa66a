import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROUTE_REASONS } from '../../../src/protocol/index.ts';
import { afterEdge, type GatePolicy, isCommand, isConfident } from '../../../src/router/index.ts';

const cloud = { tiers: [1, 2], reachable: true, budgetLeft: true, answerMs: null };
const noCloud = { ...cloud, tiers: [] };
const policy: GatePolicy = {
  policy: 'auto',
  difficultyThreshold: 0.5,
  lowConfidenceAction: 'auto',
  thresholds: { confidenceLeast: 0.5 },
};
const request = { route: 'auto', privacy: 'any', modelAt: null, mayRestart: true } as const;
const unsure = { text: 'perhaps', confidence: 0.2 };
const unsureCommand = { text: ' {"device":"door","action":"unlock"}\n', confidence: 0.2 };

describe('the gate after the board’s answer', () => {
  it('keeps what is sure', () => {
    const sure = { ...unsureCommand, confidence: 0.9 };
    expect(afterEdge(request, sure, 0.9, noCloud, policy)).toEqual({ action: 'keep', reasons: [] });
  });

  it('escalates what is unsure', () => {
    expect(afterEdge(request, unsure, 0.1, cloud, policy)).toEqual({
      action: 'escalate',
      tier: 1,
      reasons: ['low_confidence'],
    });
  });

  it('lets nobody act on an unsure command when there is no way out', () => {
    const locals = { ...request, privacy: 'local' } as const;
    const committed = { ...request, mayRestart: false };
    const stay = { ...policy, policy: 'edge' } as const;
    const of = (
      ...[req, node, rules]: [
        typeof request | typeof locals | typeof committed,
        typeof cloud | typeof noCloud,
        GatePolicy,
      ]
    ) => [
      afterEdge(req, unsureCommand, 0.1, node, rules).action,
      afterEdge(req, unsure, 0.1, node, rules).action,
    ];
    expect(of(request, noCloud, policy)).toEqual(['refuse', 'keep']);
    expect(of(locals, cloud, policy)).toEqual(['refuse', 'keep']);
    expect(of(committed, cloud, policy)).toEqual(['refuse', 'keep']);
    expect(of(request, cloud, stay)).toEqual(['refuse', 'keep']);
    expect(of(request, noCloud, { ...policy, lowConfidenceAction: 'answer' })).toEqual([
      'keep',
      'keep',
    ]);
    expect(of(request, noCloud, { ...policy, lowConfidenceAction: 'error' })).toEqual([
      'refuse',
      'refuse',
    ]);
  });

  it('answers route edge whatever the confidence, and never sends local prompts away', () => {
    fc.assert(
      fc.property(
        fc.record({
          route: fc.constantFrom('auto', 'edge', 'cloud'),
          privacy: fc.constantFrom('local', 'redact', 'any'),
          modelAt: fc.constantFrom(null, 'edge', 'cloud'),
          mayRestart: fc.boolean(),
        }),
        fc.record({
          text: fc.constantFrom('ok', '{"a":1}', '[1]', ''),
          confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        }),
        fc.constantFrom(cloud, noCloud, { ...cloud, reachable: false }),
        fc.record({
          policy: fc.constantFrom('auto', 'edge', 'cloud'),
          difficultyThreshold: fc.constant(0.5),
          lowConfidenceAction: fc.constantFrom('auto', 'answer', 'error'),
          thresholds: fc.record({ confidenceLeast: fc.double({ min: 0, max: 1, noNaN: true }) }),
        }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (req, signals, node, rules, difficulty) => {
          const result = afterEdge(req, signals, difficulty, node, rules);
          if (req.route === 'edge') expect(result.action).toBe('keep');
          if (
            req.privacy === 'local' ||
            rules.policy === 'edge' ||
            !req.mayRestart ||
            node !== cloud
          ) {
            expect(result.action).not.toBe('escalate');
          }
          if (result.action !== 'keep') expect(result.reasons).toContain('low_confidence');
          expect(ROUTE_REASONS).toEqual(expect.arrayContaining(result.reasons));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('goes by each signal that has a bound', () => {
    const thresholds = {
      confidenceLeast: 0.5,
      minMarginLeast: 0.1,
      firstTokenEntropyMost: 1,
      promptLogprobLeast: -3,
    };
    const good = {
      text: '',
      confidence: 0.8,
      minMargin: 0.4,
      firstTokenEntropy: 0.2,
      promptLogprob: -1,
    };
    expect(isConfident(good, thresholds)).toBe(true);
    expect(isConfident({ text: '', confidence: 0.8 }, thresholds)).toBe(true);
    expect(isConfident({ ...good, confidence: null }, thresholds)).toBe(false);
    expect(isConfident({ ...good, confidence: NaN }, thresholds)).toBe(false);
    expect(isConfident({ ...good, minMargin: 0.05 }, thresholds)).toBe(false);
    expect(isConfident({ ...good, firstTokenEntropy: 2 }, thresholds)).toBe(false);
    expect(isConfident({ ...good, promptLogprob: -5 }, thresholds)).toBe(false);
    expect(isConfident({ ...good, minMargin: 0 }, { confidenceLeast: 0.5 })).toBe(true);
  });

  it('knows a command when it sees one', () => {
    for (const text of ['{}', ' {"a":1} ', '{"a":{"b":[]}}'])
      expect(isCommand(text), text).toBe(true);
    for (const text of ['', '[{"a":1}]', '{a:1}', 'say {"a":1}', 'null', '{"a":1']) {
      expect(isCommand(text), text).toBe(false);
    }
  });
});
