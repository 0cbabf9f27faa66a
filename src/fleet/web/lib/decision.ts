import type { DecisionEntry } from '../../../protocol/index.ts';

type AnswerFacts = {
  id?: string;
  route?: Pick<DecisionEntry, 'target' | 'endpoint' | 'reasons' | 'difficulty' | 'escalated'>;
  confidence?: number | null;
  cost?: DecisionEntry['cost'];
  energy?: { joules: number | null };
  timing?: { total_ms: number };
  error?: { code: string };
};

/** The board's event `answer` in the form of its list of decisions. */
export function answerToDecision(answer: AnswerFacts, atMs: number): DecisionEntry {
  const { route, timing, energy } = answer;
  return {
    id: answer.id ?? '',
    ts: new Date(atMs).toISOString(),
    target: route?.target ?? null,
    endpoint: route?.endpoint ?? null,
    reasons: route?.reasons ?? [],
    difficulty: route?.difficulty ?? null,
    escalated: route?.escalated ?? false,
    confidence: answer.confidence ?? null,
    cost: answer.cost ?? null,
    joules: energy?.joules ?? null,
    total_ms: timing?.total_ms ?? null,
    error: answer.error?.code ?? null,
  };
}

const NOTHING: DecisionEntry = {
  id: '',
  ts: '',
  target: null,
  endpoint: null,
  reasons: [],
  difficulty: null,
  escalated: false,
  confidence: null,
  cost: null,
  joules: null,
  total_ms: null,
  error: null,
};

/** Boards of other versions tell less or more: what is missing is unknown, not an error. */
export function readDecisions(list: readonly unknown[]): DecisionEntry[] {
  return list
    .filter((entry) => typeof entry === 'object' && entry !== null)
    .map((entry) => {
      const told = Object.entries(entry).filter(
        ([name, value]) => Object.hasOwn(NOTHING, name) && value !== undefined && value !== null,
      );
      return Object.assign({}, NOTHING, Object.fromEntries(told));
    });
}
