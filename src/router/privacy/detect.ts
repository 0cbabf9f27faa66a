import { bankCard } from './detectors/bank-card.ts';
import { coordinates } from './detectors/coordinates.ts';
import { email } from './detectors/email.ts';
import { ip, mac } from './detectors/network.ts';
import { iban, passport, plate } from './detectors/papers.ts';
import { phone } from './detectors/phone.ts';
import { residentId } from './detectors/resident-id.ts';
import { secret } from './detectors/secret.ts';
import { fold } from './fold.ts';
import type { Detector, Finding } from './kinds.ts';

/** In the order in which they name a stretch that two of them claim equally: checksums first. */
export const DETECTORS: readonly Detector[] = [
  residentId,
  iban,
  bankCard,
  email,
  mac,
  ip,
  coordinates,
  plate,
  passport,
  phone,
  secret,
];

/**
 * Private data in a text: findings in order, never overlapping. Where two detectors overlap, the whole
 * stretch of both is one finding of the longer one's kind, so that nothing that was found is left over.
 *
 * @throws whatever a detector throws; ours throw on no string, and `gate` treats it as found.
 */
export function detect(text: string, detectors: readonly Detector[] = DETECTORS): Finding[] {
  const folded = fold(text);
  const found = detectors
    .flatMap(({ kind, find }) =>
      Array.from(find(folded.text), (span): Finding => {
        const { start, end } = folded.toSource(span);
        return { kind, start, end };
      }),
    )
    .filter(({ start, end }) => end > start);
  // Array.sort is stable, so detectors keep their order among equals.
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  const merged: Finding[] = [];
  let longest = 0;
  for (const finding of found) {
    const last = merged.at(-1);
    if (last === undefined || finding.start >= last.end) {
      merged.push({ ...finding });
      longest = finding.end - finding.start;
      continue;
    }
    if (finding.end - finding.start > longest) {
      last.kind = finding.kind;
      longest = finding.end - finding.start;
    }
    last.end = Math.max(last.end, finding.end);
  }
  return merged;
}
