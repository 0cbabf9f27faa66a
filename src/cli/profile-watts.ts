import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import * as v from 'valibot';
import { TwowattError } from '../core/index.ts';
import type { ChosenPoint, Subject, WattsInput } from '../hardware/calibration/index.ts';
import { megahertz } from './profile-list.ts';

const watts = v.pipe(v.number(), v.finite(), v.minValue(0));
const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const fileSchema = v.strictObject({
  /** All that the meter shows, not above idle; the same below. */
  idle_w: watts,
  /** Smallest difference that the meter shows. */
  resolution_w: v.optional(watts, 0.01),
  points: v.pipe(
    v.array(
      v.strictObject({
        threads: count,
        freq_khz: v.nullable(count),
        decode_w: watts,
        prefill_w: watts,
      }),
    ),
    v.minLength(1),
  ),
});

type Told = Extract<WattsInput, { kind: 'told' }>;

/** A wall meter's values from a file, and the points that they are for. */
export function readWattsFile(path: string): { points: ChosenPoint[]; input: Told } {
  const refuse = (why: string, cause?: unknown) =>
    new TwowattError('invalid_request', `${path}: ${why}`, { param: path, cause });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
  const result = v.safeParse(fileSchema, parsed);
  if (!result.success) {
    const [issue] = result.issues;
    throw refuse(`${v.getDotPath(issue) ?? 'whole file'}: ${issue.message}`);
  }
  const { idle_w: idleW, resolution_w: resolutionW, points } = result.output;
  const valueOf = (subject: Subject): number => {
    if (subject.kind === 'idle') return idleW;
    const { threads, freqKhz, phase } = subject;
    const row = points.find((one) => one.threads === threads && one.freq_khz === freqKhz);
    if (row === undefined)
      throw refuse(`no row for ${threads} threads at ${freqKhz ?? 'null'} kHz`);
    return phase === 'decode' ? row.decode_w : row.prefill_w;
  };
  return {
    points: points.map(({ threads, freq_khz: freqKhz }) => ({ threads, freqKhz })),
    input: {
      kind: 'told',
      about: `a meter's values in ${path}`,
      ask: async (subject) => ({ watts: valueOf(subject), resolutionW }),
    },
  };
}

/** What a person typed: watts, and how finely they were read; undefined when it is no power. */
export function parseWatts(text: string): { watts: number; resolutionW: number } | undefined {
  const match = /^\d{1,4}(?:[.,](\d{1,4}))?$/.exec(text.trim().replace(/\s*w$/i, ''));
  if (match === null) return undefined;
  return {
    watts: Number(match[0].replace(',', '.')),
    resolutionW: 10 ** -(match[1]?.length ?? 0),
  };
}

function question(subject: Subject): string {
  if (subject.kind === 'idle') return 'The board idles. What does the meter show, watts? ';
  const { phase, threads, freqKhz } = subject;
  const clock = freqKhz === null ? '' : ` at ${megahertz(freqKhz)}`;
  return `${phase}, ${threads} thread${threads === 1 ? '' : 's'}${clock}, running until you answer. Watts? `;
}

/** Asks a person before a wall meter; the work runs on until there is an answer. */
export function askForWatts(
  streams: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream },
  beforeAsking: () => void = () => {},
): Told {
  return {
    kind: 'told',
    about: 'a meter that a person read',
    async ask(subject, signal) {
      const terminal = createInterface({ ...streams, terminal: false });
      try {
        for (;;) {
          beforeAsking();
          const found = parseWatts(await terminal.question(question(subject), { signal }));
          if (found !== undefined) return found;
          streams.output.write('Expected a number of watts such as 4.85.\n');
        }
      } finally {
        terminal.close();
      }
    },
  };
}
