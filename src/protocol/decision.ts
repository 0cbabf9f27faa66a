/** How one prompt went, without its text: an entry of what the verb `decisions` answers. */
export type DecisionEntry = {
  id: string;
  /** RFC 3339. */
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
  /** Code of the error that it ended with; null for an answer. */
  error: string | null;
};
