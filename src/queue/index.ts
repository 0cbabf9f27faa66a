/**
 * queue: the durable way of a prompt, on SQLite. What `accept` has returned survives a power cut;
 * what `complete` has stored is never computed again; nothing grows beyond its bounds. Time in here
 * is journal time (timeline.ts), so that a wall clock that jumps by years harms no deadline.
 *
 * A prompt costs two syncs of the disk (accepted, answered); that it was begun and sent rides along
 * with them. All calls are synchronous: they hold up the event loop for one sync each.
 */
export type { CorruptReport } from './database.ts';
export { eraseJournal } from './erase.ts';
export { JournalError, type JournalProblem } from './errors.ts';
export { type JournalOptions, openJournal } from './journal.ts';
export { inspectJournal, type JournalLook } from './inspect.ts';
export type { JournalLimits } from './limits.ts';
export type * from './types.ts';
