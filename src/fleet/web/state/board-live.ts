import { signal } from '@preact/signals';
import type {
  DecisionEntry,
  HealthCondition,
  StateMessage,
  Telemetry,
} from '../../../protocol/index.ts';
import type { StreamEvent } from '../lib/event-text.ts';
import { answerToDecision, readDecisions } from '../lib/decision.ts';
import { emptyHistory, type History, type Point, withPoint } from '../lib/history.ts';
import { get, hooks, isApiError } from './api.ts';
import { createFeed } from './feed.ts';

/** What the board itself tells the page that it serves. */
export const telemetry = signal<Telemetry | null>(null);
export const health = signal<readonly HealthCondition[]>([]);
export const boardState = signal<StateMessage['state'] | null>(null);
export const decisions = signal<readonly DecisionEntry[]>([]);
/** The board keeps no history: the page has what it saw itself. */
export const history = signal<History>(emptyHistory());
export const needsToken = signal(false);
export const tokenWasWrong = signal(false);
export const problem = signal<string | null>(null);

const KEPT_MS = 3_600_000;
const MOST_DECISIONS = 50;
const RETRY_MS = 3000;
const TOKEN = 'twowatt.token';

const pointOf = (now: Telemetry): Point => ({
  watts: now.power.mean_1s_w ?? now.power.watts,
  budget_w: now.power.budget_w,
  soc_c: now.thermal.soc_c,
  limit_c: now.thermal.limit_c,
  max_freq_khz: now.governor.max_freq_khz,
  tokens_per_s: now.engine.tokens_per_s,
  joules_per_token: now.engine.joules_per_token,
  queue_depth: now.queue.depth,
});

function takeTelemetry(now: Telemetry): void {
  telemetry.value = now;
  // By this machine's clock: the board's may be unset.
  const ms = Date.now();
  history.value = withPoint(history.value, ms, pointOf(now), ms - KEPT_MS);
}

function take({ event, data }: StreamEvent): void {
  const value: unknown = JSON.parse(data);
  if (event === 'telemetry') takeTelemetry(value as Telemetry);
  else if (event === 'health') health.value = value as HealthCondition[];
  else if (event === 'state') boardState.value = (value as StateMessage).state;
  else if (event === 'answer') {
    const decision = answerToDecision(value as Record<string, unknown>, Date.now());
    decisions.value = [decision, ...decisions.value].slice(0, MOST_DECISIONS);
  }
}

const feed = createFeed({ path: () => '/api/events', onEvent: take });

let retry: ReturnType<typeof setTimeout> | undefined;

/** Loads what there is, then listens. Asks for the token when the board wants one. */
export async function start(): Promise<void> {
  clearTimeout(retry);
  try {
    const { decisions: list } = await get<{ decisions: unknown[] }>('/api/decisions');
    decisions.value = readDecisions(list);
    needsToken.value = false;
    problem.value = null;
    feed.start();
  } catch (error) {
    if (isApiError(error) && error.status === 401) {
      tokenWasWrong.value = hooks.authorization !== null;
      hooks.authorization = null;
      needsToken.value = true;
      return;
    }
    problem.value = error instanceof Error ? error.message : String(error);
    retry = setTimeout(() => void start(), RETRY_MS);
  }
}

/** Kept as long as the tab: a token on somebody's telephone must not outlive the visit. */
export function useToken(token: string): void {
  hooks.authorization = `Bearer ${token}`;
  try {
    sessionStorage.setItem(TOKEN, token);
  } catch {
    // Private windows: it lasts as long as the page.
  }
  void start();
}

export function recallToken(): void {
  try {
    const token = sessionStorage.getItem(TOKEN);
    if (token !== null) hooks.authorization = `Bearer ${token}`;
  } catch {
    // As above.
  }
}
