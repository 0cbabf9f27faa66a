import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTimeSync } from '../../../src/hardware/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

let runRoot: string;
beforeEach(() => {
  runRoot = mkdtempSync(join(tmpdir(), 'twowatt-run-'));
});
afterEach(() => rmSync(runRoot, { recursive: true, force: true }));

describe('whether the time of day is known', () => {
  it('waits for systemd-timesyncd where that runs, and then stays known', () => {
    const folder = join(runRoot, 'systemd/timesync');
    mkdirSync(folder, { recursive: true });
    const known = createTimeSync({ clock: createVirtualClock(), runRoot });
    expect(known()).toBe(false);
    writeFileSync(join(folder, 'synchronized'), '');
    expect(known()).toBe(true);
    rmSync(folder, { recursive: true });
    expect(known()).toBe(true);
  });

  it('goes by a plausible date where another program keeps time', () => {
    const clock = createVirtualClock({ wallTrusted: false });
    const known = createTimeSync({ clock, runRoot });
    expect(known()).toBe(false);
    clock.setWallTrusted(true);
    expect(known()).toBe(true);
  });
});
