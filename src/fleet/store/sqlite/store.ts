import { Worker } from 'node:worker_threads';
import { TwowattError } from '../../../core/index.ts';
import { MOST_SERIES_POINTS, SERIES_FIELD_NAMES } from '../../../protocol/fleet/index.ts';
import { stepFor, toFleetSeries } from '../points.ts';
import type { FleetStore } from '../types.ts';
import type { Operations } from './worker.ts';

type Waiting = { resolve: (result: never) => void; reject: (error: Error) => void };
type Reply = { id: number; result?: unknown; failure?: string };

const WIDTH = SERIES_FIELD_NAMES.length;
/** Sources run as they are, a build has JavaScript beside it. */
const WORKER = new URL(
  `./worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Opens the SQLite file in a thread of its own. Rejects when it cannot be opened or is of a later version. */
export async function openSqliteStore(path: string): Promise<FleetStore> {
  const worker = new Worker(WORKER, {
    workerData: { path },
    resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 8 },
  });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let broken: Error | undefined;

  const opened = Promise.withResolvers<void>();
  waiting.set(0, opened);
  const breakAll = (error: Error) => {
    broken ??= new TwowattError('internal', `the fleet's store ${path} failed: ${error.message}`, {
      cause: error,
    });
    for (const { reject } of waiting.values()) reject(broken);
    waiting.clear();
  };
  worker.on('message', ({ id, result, failure }: Reply) => {
    const caller = waiting.get(id);
    waiting.delete(id);
    if (failure === undefined) caller?.resolve(result as never);
    else caller?.reject(new TwowattError('internal', `the fleet's store failed: ${failure}`));
  });
  worker.on('error', (error) =>
    breakAll(error instanceof Error ? error : new Error(String(error))),
  );
  worker.on('exit', () => breakAll(new Error('its thread has ended')));

  const call = <Name extends keyof Operations>(
    name: Name,
    args: Parameters<Operations[Name]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Operations[Name]>> => {
    if (broken !== undefined) return Promise.reject(broken);
    lastId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Operations[Name]>>();
    waiting.set(lastId, { resolve, reject });
    // A thread's port takes no target origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    worker.postMessage({ id: lastId, name, args }, transfer);
    return promise;
  };
  await opened.promise;

  return {
    kind: 'sqlite',
    write(samples) {
      const t = new Float64Array(samples.map(({ tMs }) => tMs));
      const values = new Float64Array(samples.length * WIDTH);
      for (const [index, sample] of samples.entries()) {
        for (let field = 0; field < WIDTH; field += 1) {
          values[index * WIDTH + field] = sample.values[field] ?? Number.NaN;
        }
      }
      const nodes = samples.map(({ node }) => node);
      return call('write', [{ nodes, t, values }], [t.buffer, values.buffer]);
    },
    loadBoards: () => call('loadBoards', []),
    saveBoards: (boards) =>
      call('saveRecords', [
        boards.map((board) => ({ node: board.node, text: JSON.stringify(board) })),
      ]),
    removeBoard: (node) => call('remove', [node]),
    series: (query) => call('series', [query]),
    writeFleet: (sample) => call('writeFleet', [sample]),
    async fleetSeries({ fromMs, toMs, stepMs: wanted }) {
      const stepMs = Math.max(wanted, stepFor(toMs - fromMs, MOST_SERIES_POINTS));
      const rows = await call('fleetRows', [{ fromMs, toMs, stepMs }]);
      return toFleetSeries(rows, { fromMs, toMs, stepMs });
    },
    document: (kind, id) => call('document', [kind, id]),
    documents: (kind, options) => call('documents', [kind, options]),
    putDocument: (kind, id, body, nowMs) => call('putDocument', [kind, id, body, nowMs]),
    deleteDocument: (kind, id) => call('deleteDocument', [kind, id]),
    expireDocuments: (kind, beforeMs) => call('expireDocuments', [kind, beforeMs]),
    appendAudit: (entry) => call('appendAudit', [entry]),
    audit: (query) => call('audit', [query]),
    async maintain(nowMs, settings) {
      const began = performance.now();
      const report = await call('maintain', [nowMs, settings]);
      return { ...report, tookMs: performance.now() - began };
    },
    leads: async () => true,
    sizeBytes: () => call('sizeBytes', []),
    async close() {
      if (broken !== undefined) return;
      const ended = new Promise<void>((resolve) => {
        worker.once('exit', () => resolve());
      });
      await call('close', []);
      await ended;
    },
  };
}
