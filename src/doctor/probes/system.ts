import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { leastNodeVersion, packageVersion } from '../../core/index.ts';
import type { SystemFacts } from '../facts.ts';
import { askCommand } from './command.ts';
import type { ProbeContext } from './index.ts';

/** systemd-timesyncd leaves this file when it has set the clock (systemd-timesyncd.service(8)). */
const TIMESYNC_MARK = '/run/systemd/timesync/synchronized';
const COMMAND_MS = 2_000;

/** What the kernel's own flag says, by whichever daemon sets the clock; null where nobody can be asked. */
async function clockSynchronised(): Promise<boolean | null> {
  if (existsSync(TIMESYNC_MARK)) return true;
  const args = ['show', '--property=NTPSynchronized', '--value'];
  const answer = await askCommand('timedatectl', args, COMMAND_MS);
  if (!answer.ok) return null;
  return { yes: true, no: false }[answer.text.trim()] ?? null;
}

/** The C library that Node runs on; null for another than glibc (Alpine's musl). */
function glibcVersion(): string | null {
  const report = process.report.getReport() as {
    header?: { glibcVersionRuntime?: string };
  };
  return report.header?.glibcVersionRuntime ?? null;
}

function currentUser(): SystemFacts['user'] {
  const uid = process.getuid?.() ?? -1;
  try {
    return { name: userInfo().username, uid };
  } catch {
    return { name: String(uid), uid };
  }
}

export async function lookAtSystem({ clock }: ProbeContext): Promise<SystemFacts> {
  return {
    twowatt: packageVersion(),
    node: process.versions.node,
    nodeWanted: leastNodeVersion(),
    glibc: glibcVersion(),
    platform: `${process.platform} ${process.arch}`,
    user: currentUser(),
    clockSynchronised: await clockSynchronised(),
    datePlausible: clock.wallTrusted(),
    date: new Date(clock.wallMs()).toISOString(),
  };
}
