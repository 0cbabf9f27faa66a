import { signal } from '@preact/signals';
import { readSetting, writeSetting } from './settings.ts';

/** Live: the last so many seconds, moving on; else fixed ends. */
export type Range =
  | { kind: 'live'; seconds: number }
  | { kind: 'fixed'; fromMs: number; toMs: number };

export const LIVE_SPANS_S = [900, 3600, 21_600, 86_400, 604_800] as const;

const stored = Number(readSetting('range'));

export const range = signal<Range>({
  kind: 'live',
  seconds: (LIVE_SPANS_S as readonly number[]).includes(stored) ? stored : 3600,
});

export function setLive(seconds: number): void {
  range.value = { kind: 'live', seconds };
  writeSetting('range', String(seconds));
}

export function setFixed(fromMs: number, toMs: number): void {
  range.value = { kind: 'fixed', fromMs, toMs };
}

export function endsOf(now: number): { fromMs: number; toMs: number } {
  const at = range.value;
  return at.kind === 'fixed'
    ? { fromMs: at.fromMs, toMs: at.toMs }
    : { fromMs: now - at.seconds * 1000, toMs: now };
}
