import { detect, type Kind } from '../../../src/router/privacy/index.ts';
import type { Negative } from './negatives.ts';
import type { Language, Planted } from './texts.ts';

export type Share = { hits: number; of: number };
export type Recall = { kind: Kind; language: Language } & Share;

/** Found means: every character of the value lies in findings, and one of them has its kind. */
export function isFound({ kind, text, value, at }: Planted): boolean {
  const findings = detect(text).filter(({ start, end }) => start < at + value.length && end > at);
  const hidden = findings.reduce(
    (sum, { start, end }) => sum + Math.min(end, at + value.length) - Math.max(start, at),
    0,
  );
  // The joiner of two halves (31°N, 121°E) is no part of either.
  const between = kind === 'coordinates' ? value.replace(/[\d.]/g, '').length : 0;
  return hidden >= value.length - between && findings.some((finding) => finding.kind === kind);
}

export function recallByKind(planted: readonly Planted[]): Recall[] {
  const rows = new Map<string, Recall>();
  for (const one of planted) {
    const key = `${one.kind} ${one.language}`;
    const row = rows.get(key) ?? { kind: one.kind, language: one.language, hits: 0, of: 0 };
    row.of += 1;
    if (isFound(one)) row.hits += 1;
    rows.set(key, row);
  }
  return [...rows.values()];
}

export function alarmsByFamily(negatives: readonly Negative[]): Map<string, Share> {
  const rows = new Map<string, Share>();
  for (const { family, text } of negatives) {
    const row = rows.get(family) ?? { hits: 0, of: 0 };
    row.of += 1;
    if (detect(text).length > 0) row.hits += 1;
    rows.set(family, row);
  }
  return rows;
}
