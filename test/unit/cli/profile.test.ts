import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { expectAt, hullOf } from '../../../src/cli/profile-expect.ts';
import { listJson, listMarkdown, listText } from '../../../src/cli/profile-list.ts';
import { showText } from '../../../src/cli/profile-show.ts';
import { askForWatts, parseWatts, readWattsFile } from '../../../src/cli/profile-watts.ts';
import { type DeviceProfile, loadProfiles } from '../../../src/hardware/index.ts';

const profiles = loadProfiles();
const named = (name: string): DeviceProfile => {
  const found = profiles.find((profile) => profile.name === name);
  if (found === undefined) throw new Error(`no profile ${name}`);
  return found;
};

/** `seconds` of the best mix that a brute search over pairs of points and idle finds. */
function bestByForce(profile: DeviceProfile, budgetW: number): number {
  const rows = [
    { watts: 0, rate: 0 },
    ...profile.operating_points.map((p) => ({ watts: p.watts, rate: p.decode_tokens_per_s })),
  ];
  let best = 0;
  for (const low of rows) {
    for (const high of rows) {
      if (low.watts > budgetW) continue;
      const span = high.watts - low.watts;
      const share = span <= 0 ? 1 : Math.min(1, (budgetW - low.watts) / span);
      if (span <= 0 && high.watts > budgetW) continue;
      best = Math.max(best, low.rate + share * (high.rate - low.rate));
    }
  }
  return best;
}

describe('what a budget buys', () => {
  it.each(profiles.filter((one) => one.operating_points.length > 0).map((one) => [one.name, one]))(
    'is the best mix of the points of %s, at every budget',
    (_name, profile) => {
      if (typeof profile === 'string') throw new Error('no profile');
      fc.assert(
        fc.property(fc.double({ min: 0.05, max: 60, noNaN: true }), (budgetW) => {
          const expected = expectAt(profile, budgetW);
          expect(expected?.tokensPerS).toBeCloseTo(bestByForce(profile, budgetW), 6);
          expect(expected?.watts).toBeLessThanOrEqual(budgetW);
          const drawn = expected?.mix.reduce((sum, m) => sum + m.share * m.point.watts, 0);
          expect(drawn).toBeCloseTo(expected?.watts ?? 0, 6);
        }),
        { numRuns: 60 },
      );
    },
  );

  it('is unknown where nothing is known', () => {
    expect(expectAt(named('generic-arm64'), 2)).toBeNull();
    expect(hullOf([]).map(({ watts }) => watts)).toEqual([0]);
  });

  it('is more with fewer bytes per token, and then an estimate also of measured points', () => {
    const pi = named('raspberry-pi-4b');
    const points = pi.operating_points.map(({ estimated: _gone, ...point }) => ({
      ...point,
      bytes_per_token: 367_000_000,
    }));
    const measured = { ...pi, operating_points: points };
    expect(expectAt(measured, 2)?.estimated).toBe(false);
    const half = expectAt(measured, 2, 183_500_000);
    expect(half?.estimated).toBe(true);
    expect((half?.tokensPerS ?? 0) / (expectAt(measured, 2)?.tokensPerS ?? 1)).toBeCloseTo(2);
  });
});

describe('profile list and show', () => {
  it('docs/energy.md has the table that the code prints', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../../docs/energy.md'), 'utf8');
    const start = page.indexOf('\n## What to expect at 2 W\n');
    const section = page.slice(start, page.indexOf('\n## ', start + 1));
    expect(start).toBeGreaterThan(0);
    expect(section).toContain(`\n${listMarkdown(profiles)}`);
  });

  it('lists every profile, with what fits where INT8 does not', () => {
    const rows = JSON.parse(listJson(profiles)) as {
      name: string;
      int8_fits: string | null;
      at_2_w: { tokens_per_s: number; modelled: boolean } | null;
      form_that_fits: string | null;
    }[];
    expect(rows.map(({ name }) => name)).toEqual(profiles.map(({ name }) => name));
    const zero = rows.find(({ name }) => name === 'raspberry-pi-zero-2-w');
    expect(zero).toMatchObject({
      int8_fits: 'no',
      form_that_fits: expect.stringContaining('4 bits') as string,
      at_2_w: { modelled: true },
    });
    for (const { title } of profiles) expect(listText(profiles)).toContain(title);
    // Whoever does not fit has to say what does.
    for (const { int8_fits: fits, form_that_fits: form } of rows) {
      if (fits === 'no') expect(form).not.toBeNull();
    }
  });

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    'shows every number of %s with its source',
    (_name, profile) => {
      const text = showText(profile, null, 2);
      for (const [source, about] of Object.entries(profile.sources)) {
        expect(text).toContain(`[${source}] ${about}`);
      }
      const { operating_points: points } = profile;
      const estimates = text.match(/estimated +\[/g)?.length ?? 0;
      expect(estimates).toBeGreaterThanOrEqual(points.filter((p) => p.estimated === true).length);
    },
  );

  it('names the form that fits into 512 MB in a plain sentence', () => {
    const text = showText(named('raspberry-pi-zero-2-w'), null, 2);
    expect(text).toContain('does not fit into 512 MB');
    expect(text).toMatch(/The form that fits: 4 bits with a vocabulary pruned to 32,000 entries; /);
  });
});

describe('a meter that somebody reads', () => {
  it('is read with its digits', () => {
    expect(parseWatts('4.85')).toEqual({ watts: 4.85, resolutionW: 0.01 });
    expect(parseWatts(' 5,1 W ')).toEqual({ watts: 5.1, resolutionW: 0.1 });
    expect(parseWatts('5')).toEqual({ watts: 5, resolutionW: 1 });
    for (const text of ['', 'four', '-1', '1e3', '99999', '1.2.3']) {
      expect(parseWatts(text), text).toBeUndefined();
    }
  });

  it('is asked until there is a number, and no longer than the calibration lasts', async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    let shown = '';
    output.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      if (shown.endsWith('Watts? ')) input.write(shown.includes('Expected') ? '6.31\n' : 'six\n');
    });
    const meter = askForWatts({ input, output });
    const subject = { kind: 'work', phase: 'decode', threads: 3, freqKhz: 1_500_000 } as const;
    const { signal } = new AbortController();
    expect(await meter.ask(subject, signal)).toEqual({ watts: 6.31, resolutionW: 0.01 });
    expect(shown).toContain('decode, 3 threads at 1500 MHz');
    const abort = new AbortController();
    const waiting = meter.ask({ kind: 'idle' }, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toThrow();
  });

  it('may have its values in a file, which is refused with the field that is wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-watts-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'meter.json');
    const read = (content: unknown) => {
      writeFileSync(file, JSON.stringify(content));
      return readWattsFile(file);
    };
    const row = { threads: 2, freq_khz: null, decode_w: 5, prefill_w: 6 };
    const { input, points } = read({ idle_w: 3, resolution_w: 0.1, points: [row] });
    expect(points).toEqual([{ threads: 2, freqKhz: null }]);
    const { signal } = new AbortController();
    const ask = (phase: 'decode' | 'prefill', threads = 2) =>
      input.ask({ kind: 'work', phase, threads, freqKhz: null }, signal);
    expect(await ask('prefill')).toEqual({ watts: 6, resolutionW: 0.1 });
    await expect(ask('decode', 4)).rejects.toThrow(/no row for 4 threads/);
    expect(() => read({ idle_w: 3, points: [{ ...row, decode_w: 'much' }] })).toThrow(
      /meter\.json: points\.0\.decode_w/,
    );
    expect(() => read({ idle_w: 3, points: [] })).toThrow(/points/);
    expect(() => readWattsFile(join(folder, 'none.json'))).toThrow(/none\.json/);
  });
});
