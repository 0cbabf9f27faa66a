import type { HealthCondition, StateMessage, Telemetry } from '../../protocol/index.ts';

/** How one prompt went, without its text. */
export type Decision = {
  id: string;
  target: 'edge' | 'cloud' | null;
  reasons: string[];
  escalated: boolean;
  confidence: number | null;
  joules: number | null;
  totalMs: number | null;
  /** Code of the error that it ended with. */
  error: string | null;
};

/** News of a board, whichever way it came. */
export type News =
  | { type: 'state'; data: Pick<StateMessage, 'state'> }
  | { type: 'health'; data: HealthCondition[] }
  | { type: 'telemetry'; data: Telemetry }
  /** One more answer, or (over a broker) the last ones, newest first. */
  | { type: 'decision'; data: Decision }
  | { type: 'decisions'; data: Decision[] }
  | { type: 'connection'; data: { connected: boolean; problem?: string } };

export type Source = { close(): Promise<void> };

/** All that is known of the board. */
export type Look = {
  where: string;
  connected: boolean;
  problem: string | undefined;
  state: StateMessage['state'] | null;
  health: HealthCondition[];
  telemetry: Telemetry | null;
  /** Newest first. */
  decisions: Decision[];
  /** Watts and tokens per second of the last messages, oldest first. */
  watts: (number | null)[];
  tokensPerS: number[];
};

const MOST_DECISIONS = 50;
const MOST_HISTORY = 200;

export const emptyLook = (where: string): Look => ({
  where,
  connected: true,
  problem: undefined,
  state: null,
  health: [],
  telemetry: null,
  decisions: [],
  watts: [],
  tokensPerS: [],
});

/** The look after the news. */
export function after(look: Look, news: News): Look {
  switch (news.type) {
    case 'state':
      return { ...look, state: news.data.state };
    case 'health':
      return { ...look, health: news.data };
    case 'decision':
      return { ...look, decisions: [news.data, ...look.decisions].slice(0, MOST_DECISIONS) };
    case 'decisions':
      return { ...look, decisions: news.data.slice(0, MOST_DECISIONS) };
    case 'connection':
      return { ...look, connected: news.data.connected, problem: news.data.problem };
    case 'telemetry': {
      const { data } = news;
      const isNewer = look.telemetry === null || data.ts > look.telemetry.ts;
      if (data.late === true && !isNewer) return look;
      const busy = data.engine.state === 'busy' ? data.engine.tokens_per_s : 0;
      return {
        ...look,
        telemetry: data,
        watts: [...look.watts, data.power.watts].slice(-MOST_HISTORY),
        tokensPerS: [...look.tokensPerS, busy].slice(-MOST_HISTORY),
      };
    }
  }
}
