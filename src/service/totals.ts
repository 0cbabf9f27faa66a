import type { RouteReason, TerminalFrame } from '../protocol/index.ts';

/** Counts since the start of the process. */
export type PipelineTotals = {
  accepted: number;
  completed: number;
  rejected: number;
  /** Tokens of the answers whose energy was counted, and that energy. */
  energyTokens: number;
  energyJoules: number;
  /** Answers by where they were made; errors count as neither. */
  edge: number;
  cloud: number;
  /** Answers of the cloud that the board had begun. */
  escalated: number;
  byReason: Partial<Record<RouteReason, number>>;
  /** Tokens of all answers, wherever they were made: what a baseline price would have charged for. */
  promptTokens: number;
  answerTokens: number;
  /** What answers have cost, in the configured currency. */
  cost: number;
};

export const emptyTotals = (): PipelineTotals => ({
  accepted: 0,
  completed: 0,
  rejected: 0,
  energyTokens: 0,
  energyJoules: 0,
  edge: 0,
  cloud: 0,
  escalated: 0,
  byReason: {},
  promptTokens: 0,
  answerTokens: 0,
  cost: 0,
});

export function addToTotals(totals: PipelineTotals, frame: TerminalFrame): void {
  totals.completed += 1;
  if (frame.type !== 'done') return;
  const { target, escalated, reasons } = frame.route;
  totals[target] += 1;
  if (escalated) totals.escalated += 1;
  for (const reason of reasons) totals.byReason[reason] = (totals.byReason[reason] ?? 0) + 1;
  totals.promptTokens += frame.usage.prompt_tokens;
  totals.answerTokens += frame.usage.completion_tokens;
  totals.cost += frame.cost.amount;
}
