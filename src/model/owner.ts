import { readFileSync } from 'node:fs';
import { isErrno } from '../core/index.ts';

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), '0' where unknown. */
function startTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in parentheses and may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch {
    return '0';
  }
}

/**
 * Names this process in temporary folders and locks: "pid-startTicks". The start time tells a process
 * from a later one that was given the same pid.
 */
export function ownerToken(): string {
  return `${process.pid}-${startTicks(process.pid)}`;
}

/** False when the process that made this token is gone for certain. */
export function ownerIsAlive(token: string): boolean {
  const [pid, ticks] = token.split('-');
  const number = Number(pid);
  if (!Number.isInteger(number) || number <= 0) return false;
  try {
    process.kill(number, 0);
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
  return ticks === '0' || startTicks(number) === ticks;
}
