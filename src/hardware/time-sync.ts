import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../core/index.ts';

/**
 * Whether the time of day is known. systemd-timesyncd (Raspberry Pi OS, Ubuntu, JetPack) has a folder
 * while it runs and leaves the file `synchronized` there once it has set the clock; until then a board
 * without a battery-backed clock goes on from where it was switched off, which looks plausible. Where
 * another program keeps time, a plausible date has to do.
 */
export function createTimeSync(options: { clock: Clock; runRoot?: string }): () => boolean {
  const folder = join(options.runRoot ?? '/run', 'systemd/timesync');
  let known = false;
  return () => {
    if (!options.clock.wallTrusted()) return false;
    known ||= !existsSync(folder) || existsSync(join(folder, 'synchronized'));
    return known;
  };
}
