import type { ActionRecord, RolloutRecord } from './actions.ts';
import type { AlertRecord } from './alerts.ts';
import type { BoardColumn, BoardRow } from './boards.ts';
import type { Overview } from './overview.ts';

/**
 * `GET /api/events` (server-sent events). The SSE `id` of `boards` is `seq`, and browsers send it back as
 * Last-Event-ID after a broken connection; the first connection gives it as `?since=SEQ` (the `seq` of
 * `GET /api/boards`). The server then sends every row that changed since; when it cannot know (it was
 * restarted), it sends `reset` first and the page gets the boards anew. A reader that is behind gets fewer,
 * larger batches: rows are always the newest, nothing is lost but intermediate values.
 */
export type FleetEvents = {
  /** First of all. */
  hello: { server_ms: number; seq: string; version: string };
  /** Forget all rows and get `/api/boards?view=rows` again. */
  reset: { reason: string };
  /** Rows that changed, at most one batch each half second. `removed`: nodes that were forgotten. */
  boards: {
    seq: string;
    server_ms: number;
    columns: readonly BoardColumn[];
    rows: BoardRow[];
    removed: string[];
  };
  /** Every two seconds while something changes. */
  overview: Overview;
  /** An alert began, was acknowledged or ended. */
  alert: AlertRecord;
  /** An action made progress; all its results so far. */
  action: ActionRecord;
  rollout: RolloutRecord;
};
export type FleetEventName = keyof FleetEvents;
