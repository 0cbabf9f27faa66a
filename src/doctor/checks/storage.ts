import type { Outcomes, StorageFacts } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, factsOf, fail, note, ok, warn } from './check.ts';
import { bytesText, shellPath } from './figures.ts';

/** The journal's own bound (queue.max_bytes, 8 MB) twice over, for its log and its answers. */
const LEAST_FREE_BYTES = 16e6;
/** Below this a few days of system logs fill the disk. */
const LOW_FREE_BYTES = 200e6;

function judgeFolder(
  { path, exists, denied }: StorageFacts['stateFolder'],
  all: Outcomes,
): Verdict {
  const user = factsOf(all, 'system')?.user.name;
  if (denied !== null) {
    return fail(
      `${denied}${user === undefined ? '' : ` as ${user}`}`,
      'Look as the user of the daemon (with systemd: sudo twowatt doctor), or give the folder to this one.',
      `sudo mkdir -p ${shellPath(path)} && sudo chown $(id -un) ${shellPath(path)}`,
    );
  }
  if (exists) return ok(`${path}, writable`);
  // A service has its own: whoever looks from another account sees an empty place.
  if (factsOf(all, 'service')?.systemd?.active === 'active') {
    return warn(
      `${path} is not there, though the service runs: it keeps its state elsewhere`,
      'Look with the eyes of the service.',
      'sudo twowatt doctor',
    );
  }
  return note(`${path} is not there yet; the first start makes it`);
}

function judgeDisk({ diskFreeBytes, journalFolder }: StorageFacts): Verdict {
  if (diskFreeBytes === null) return warn(`free space at ${journalFolder.path} is not known`);
  const text = `${bytesText(diskFreeBytes)} free at ${journalFolder.path}`;
  const advice = 'Free some space, for instance from the system’s logs.';
  const run = 'sudo journalctl --vacuum-size=50M';
  if (diskFreeBytes < LEAST_FREE_BYTES) return fail(text, advice, run);
  if (diskFreeBytes < LOW_FREE_BYTES) return warn(text, advice, run);
  return ok(text);
}

function judgeJournal({ journal, journalPath, journalFolder }: StorageFacts): Verdict {
  if (journalFolder.denied !== null) {
    return fail(
      `${journalFolder.denied}: nothing can be accepted`,
      'Give the folder to the user of the daemon; this gives it to you.',
      `sudo chown $(id -un) ${shellPath(journalFolder.path)}`,
    );
  }
  if (journal.setAside.length > 0) {
    const files = journal.setAside.length;
    return warn(
      `${files} damaged ${files === 1 ? 'journal was' : 'journals were'} set aside: ${journal.setAside.join(', ')}`,
      'Check the SD card and keep the file for a report; with the daemon stopped, this removes it together with all prompts.',
      'twowatt data erase',
    );
  }
  switch (journal.state) {
    case 'absent':
      return ok(`${journalPath}: none yet, nothing waits`);
    case 'open': {
      const who = journal.pid === null ? 'a running daemon' : `process ${journal.pid}`;
      return ok(`${journalPath}: in use by ${who}, ${bytesText(journal.bytes)}`);
    }
    case 'unreadable':
      return warn(
        `${journalPath}: ${journal.reason}`,
        'Look as the user of the daemon; a damaged journal is set aside at the next start, and nothing else is lost.',
        'sudo twowatt doctor',
      );
    case 'closed': {
      const { counts, cleanly, logBytes } = journal;
      const waits =
        counts === null
          ? `what waits stands in ${bytesText(logBytes)} of its log`
          : `${counts.waiting} prompts wait, ${counts.unsent} answers not yet taken by the broker`;
      if (cleanly) return ok(`${journalPath}: ${waits}; closed cleanly`);
      return note(
        `${journalPath}: ${waits}; not closed (crash or power cut), the next start takes it over`,
      );
    }
  }
}

export const storageChecks = [
  check(
    'storage',
    { id: 'storage.folder', group: 'storage', title: 'State folder' },
    (facts, all) => judgeFolder(facts.stateFolder, all),
  ),
  check('storage', { id: 'storage.disk', group: 'storage', title: 'Disk' }, judgeDisk),
  check('storage', { id: 'storage.journal', group: 'storage', title: 'Journal' }, judgeJournal),
];
