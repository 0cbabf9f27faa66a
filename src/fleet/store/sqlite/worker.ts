import { parentPort, workerData } from 'node:worker_threads';
import { createDocuments } from './documents.ts';
import { createHistory } from './history.ts';
import { openFleetDatabase } from './schema.ts';

/** The database's own thread: one call at a time, in order, so that long ones hold up no request. */
const db = openFleetDatabase((workerData as { path: string }).path);
const operations = {
  ...createHistory(db),
  ...createDocuments(db),
  close() {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
  },
};
export type Operations = typeof operations;

/** A thread's port takes no target origin. */
const reply = (message: object): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort?.postMessage(message);
};

parentPort?.on('message', ({ id, name, args }: { id: number; name: string; args: unknown[] }) => {
  try {
    const operation = operations[name as keyof Operations] as (...all: unknown[]) => unknown;
    reply({ id, result: operation(...args) });
  } catch (error) {
    reply({ id, failure: error instanceof Error ? error.message : String(error) });
  }
  if (name === 'close') parentPort?.close();
});
reply({ id: 0 });
