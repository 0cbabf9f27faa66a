/** A routing decision as boards tell it (verb `decisions`); none of it is text of a prompt. */
export type Decision = {
  id: string;
  ts: string;
  target: 'edge' | 'cloud' | null;
  endpoint: string | null;
  reasons: string[];
  difficulty: number | null;
  escalated: boolean;
  confidence: number | null;
  cost: { amount: number; currency: string } | null;
  joules: number | null;
  total_ms: number | null;
  error: string | null;
};

type AnswerFacts = {
  id?: string;
  route?: Pick<Decision, 'target' | 'endpoint' | 'reasons' | 'difficulty' | 'escalated'>;
  confidence?: number | null;
  cost?: Decision['cost'];
  energy?: { joules: number | null };
  timing?: { total_ms: number };
  error?: { code: string };
};

/** The board's event `answer` in the form of its list of decisions. */
export function answerToDecision(answer: AnswerFacts, atMs: number): Decision {
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

const NOTHING: Decision = {
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
export function readDecisions(list: readonly unknown[]): Decision[] {
  return list
    .filter((entry) => typeof entry === 'object' && entry !== null)
    .map((entry) => {
      const told = Object.entries(entry).filter(
        ([name, value]) => Object.hasOwn(NOTHING, name) && value !== undefined && value !== null,
      );
      return Object.assign({}, NOTHING, Object.fromEntries(told));
    });
}
