import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../core/index.ts';
import {
  BOARD_COLUMNS,
  boardColumns,
  type BoardRecord,
  type BoardRow,
  type FleetEventName,
  type FleetEvents,
} from '../../../protocol/fleet/index.ts';
import type { Registry } from '../registry.ts';

/** Rows are sent together, at most so often. */
const BATCH_MS = 500;
/** Shorter than the patience of common proxies (60 s). */
const HEARTBEAT_MS = 15_000;
/** A reader with more than this unsent gets no rows until it has caught up; then the newest ones. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
/** A reader that takes nothing for this long is cut off. */
const STALLED_MS = 60_000;

export const toRow = (board: BoardRecord): BoardRow => {
  const columns = boardColumns(board);
  return BOARD_COLUMNS.map((name) => columns[name]);
};

type Listener = { response: ServerResponse; seq: string; stalledSinceMs: number | undefined };

export type FleetEventHub = {
  /** `since`: what the reader has seen. */
  join(response: ServerResponse, since: string | undefined): void;
  tell<Name extends FleetEventName>(name: Name, data: FleetEvents[Name]): void;
  listeners(): number;
  close(): void;
};

/** Server-sent events for pages. All readers that are up to date share one text per batch. */
export function createFleetEvents(options: {
  registry: Registry;
  clock: Clock;
  version: string;
}): FleetEventHub {
  const { registry, clock } = options;
  const listeners = new Set<Listener>();

  const encode = (name: string, data: unknown, id?: string) =>
    `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

  /** What a reader at `since` lacks, as text; undefined when it has everything. */
  const batchAfter = (since: string): string | undefined => {
    const changes = registry.changesAfter(since);
    const seq = registry.seq();
    if (changes === undefined) {
      return encode('reset', { reason: 'this server does not know what you have seen' }, seq);
    }
    if (changes.boards.length === 0 && changes.removed.length === 0) return undefined;
    const data: FleetEvents['boards'] = {
      seq,
      server_ms: clock.wallMs(),
      columns: BOARD_COLUMNS,
      rows: changes.boards.map(toRow),
      removed: changes.removed,
    };
    return encode('boards', data, seq);
  };

  const beat = clock.setRepeating(HEARTBEAT_MS, () => {
    for (const { response } of listeners) {
      if (!response.writableNeedDrain) response.write(': waiting\n\n');
    }
  });
  const batches = clock.setRepeating(BATCH_MS, () => {
    const seq = registry.seq();
    const texts = new Map<string, string | undefined>();
    for (const listener of listeners) {
      const { response } = listener;
      if (response.writableLength > MAX_BACKLOG_BYTES) {
        listener.stalledSinceMs ??= clock.monotonicMs();
        if (clock.monotonicMs() - listener.stalledSinceMs > STALLED_MS) response.destroy();
        continue;
      }
      listener.stalledSinceMs = undefined;
      if (listener.seq === seq) continue;
      if (!texts.has(listener.seq)) texts.set(listener.seq, batchAfter(listener.seq));
      const text = texts.get(listener.seq);
      if (text !== undefined) response.write(text);
      listener.seq = seq;
    }
  });

  return {
    join(response, since) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
      });
      const listener: Listener = {
        response,
        seq: since ?? registry.seq(),
        stalledSinceMs: undefined,
      };
      listeners.add(listener);
      response.once('close', () => listeners.delete(listener));
      const hello = { server_ms: clock.wallMs(), seq: registry.seq(), version: options.version };
      response.write(encode('hello', hello));
    },
    tell(name, data) {
      if (listeners.size === 0) return;
      const text = encode(name, data);
      for (const { response } of listeners) {
        if (response.writableLength <= MAX_BACKLOG_BYTES) response.write(text);
      }
    },
    listeners: () => listeners.size,
    close() {
      beat.cancel();
      batches.cancel();
      for (const { response } of listeners) response.end();
    },
  };
}
