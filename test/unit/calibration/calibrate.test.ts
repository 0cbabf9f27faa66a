import { describe, expect, it } from 'vitest';
import { phasePoints } from '../../../src/hardware/sim/virtual-engine.ts';
import type { BoardSample } from '../../../src/protocol/index.ts';
import { createBench } from './bench.ts';

describe('a calibration in virtual time', () => {
  it.each(['raspberry-pi-4b', 'raspberry-pi-5', 'raspberry-pi-zero-2-w'])(
    'finds what the plant of a %s draws and does, through its noisy sensor',
    async (board) => {
      const bench = createBench({ board });
      const clocks = [bench.parameters.steps[0], bench.parameters.steps.at(-1)];
      const points = [1, 2, 4].flatMap((threads) =>
        clocks.map((step) => ({ threads, freqKhz: step?.freqKhz ?? 0 })),
      );
      const { calibration } = await bench.run({ points });
      // The chip is warm at the second idle and leaks more.
      expect(Math.abs(calibration.idle.watts - bench.parameters.idleW)).toBeLessThan(0.03);
      for (const { threads, freqKhz, decode, prefill, socC } of calibration.points) {
        const truth = phasePoints(bench.parameters, 'decode', { temperatureC: socC ?? 0 });
        const real = truth.find((p) => p.threads === threads && p.freqKhz === freqKhz);
        expect(Math.abs(decode.watts - (real?.watts ?? 0))).toBeLessThan(
          0.02 + 0.03 * (real?.watts ?? 0),
        );
        expect(Math.abs(decode.tokensPerS / (real?.tokensPerS ?? 0) - 1)).toBeLessThan(0.01);
        expect(prefill.tokensPerS).toBeGreaterThan(decode.tokensPerS);
        expect(decode.noiseW).toBeLessThan(0.02);
      }
    },
    60_000,
  );

  it('says in the notes when there is no clock to set, and what nobody could see', async () => {
    const bench = createBench({
      board: 'raspberry-pi-5',
      canScale: false,
      sample: (sample) => ({ ...sample, socC: { ok: false, reason: 'no zone' } }),
    });
    const { calibration } = await bench.run({ points: [{ threads: 2, freqKhz: null }] });
    expect(bench.applied).toEqual([]);
    expect(calibration.notes).toEqual([
      'the clock could not be set (read-only): threads only',
      expect.stringContaining('temperature could not be read'),
    ]);
    expect(calibration.points[0]?.socC).toBeNull();
  });

  it('goes by rails where no sensor sees the whole board', async () => {
    const bench = createBench({
      board: 'jetson-agx-orin',
      sample: (sample) => {
        const half = { ...sample.boardW, value: sample.boardW.ok ? sample.boardW.value / 2 : 0 };
        return {
          ...sample,
          railsW: { A: half, B: half, other: half },
          boardW: { ok: false, reason: 'single rails' },
        };
      },
    });
    const { calibration } = await bench.run({ railNames: ['A', 'B', 'gone'] });
    expect(calibration).toMatchObject({ meter: 'rails A, B', wholeBoard: false });
    expect(calibration.idle.watts).toBeCloseTo(bench.parameters.idleW, 1);
    expect(Object.keys(calibration.idle.rails)).toEqual(['A', 'B', 'other']);
  });

  it('waits for a sensor that answers late and seldom, and counts each reading once', async () => {
    let heldMs = 0;
    let held: BoardSample['boardW'] | undefined;
    const bench = createBench({
      board: 'raspberry-pi-5',
      sample(sample, nowMs) {
        if (nowMs < 2000) return { ...sample, boardW: { ok: false, reason: 'no answer yet' } };
        if (held === undefined || nowMs - heldMs >= 500) {
          held = sample.boardW;
          heldMs = nowMs;
        }
        const ageMs = nowMs - heldMs;
        return { ...sample, boardW: held.ok ? { ...held, ageMs } : held };
      },
    });
    const { calibration } = await bench.run({ seconds: { idle: 10, warmUp: 20, window: 8 } });
    // 20 readings whose noise is 10 mW and whose steps are 6.25 mW.
    expect(calibration.idle.noiseW).toBeGreaterThan(0.001);
    expect(calibration.idle.noiseW).toBeLessThan(0.004);
    const real = phasePoints(bench.parameters, 'decode').find(
      (point) => point.threads === 4 && point.freqKhz === 2_400_000,
    );
    expect(calibration.points[0]?.decode.watts).toBeCloseTo(real?.watts ?? 0, 0);
  });

  it('takes what a meter’s reader says, and counts its digits as its noise', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b' });
    const subjects: string[] = [];
    const told = (idleW: number, workW: number, resolutionW: number) =>
      bench.run({
        repeats: 1,
        input: {
          kind: 'told',
          about: 'a meter',
          async ask(subject) {
            subjects.push(subject.kind === 'idle' ? 'idle' : subject.phase);
            return { watts: subject.kind === 'idle' ? idleW : workW, resolutionW };
          },
        },
      });
    const { calibration } = await told(3, 7.5, 0.1);
    expect(calibration.points[0]?.decode.watts).toBeCloseTo(4.5);
    expect(calibration.meter).toBe('a meter');
    expect(subjects).toEqual(['idle', 'decode', 'prefill']);
    await expect(told(3, 4, 1)).rejects.toThrow(/adds 1\.000 W .* uncertain by 0\.408 W/);
  });
});

describe('a calibration refuses', () => {
  it('a board that slows itself down', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b', plant: { ambientC: 62 } });
    await expect(bench.run()).rejects.toThrow(
      /4 threads at 1800 MHz, .*(slowed itself down|too near to 80 °C)/,
    );
  });

  it('a chip that still warms up', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b' });
    await expect(
      bench.run({ seconds: { idle: 2, warmUp: 0, window: 8 }, repeats: 1 }),
    ).rejects.toThrow(/temperature moved by .* °C while it was measured/);
  });

  it('a weak supply', async () => {
    const bench = createBench({
      board: 'raspberry-pi-4b',
      parameters: (from) => ({ ...from, underVoltageW: 4 }),
    });
    await expect(bench.run()).rejects.toThrow(/voltage was too low/);
  });

  it('a meter that is noisier than the work', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b', plant: { sensor: { noiseW: 8 } } });
    await expect(bench.run({ points: [{ threads: 1, freqKhz: 600_000 }] })).rejects.toThrow(
      /the noise is larger than the signal/,
    );
  });

  it('repeats that differ, after a second try', async () => {
    const bench = createBench({
      board: 'raspberry-pi-4b',
      slower: (nowMs) => 1 + (Math.floor(nowMs / 9000) % 2),
    });
    const labels: string[] = [];
    await expect(
      bench.run({ repeats: 3, onProgress: ({ label }) => labels.push(label) }),
    ).rejects.toThrow(/repeats differ by \d+ %, more than 10 %/);
    expect(labels.filter((label) => label.endsWith('warming up'))).toHaveLength(2);
  });

  it('an idle that is not what it was', async () => {
    const bench = createBench({
      board: 'raspberry-pi-4b',
      sample: (sample, nowMs) =>
        nowMs > 25_000 && sample.boardW.ok
          ? { ...sample, boardW: { ...sample.boardW, value: sample.boardW.value + 1.5 } }
          : sample,
    });
    const work = { repeats: 1, seconds: { idle: 5, warmUp: 30, window: 4 } };
    await expect(bench.run(work)).rejects.toThrow(/idle: 3\.\d+ W before and 4\.\d+ W after/);
  });

  it('a board without a sensor, and names the way out', async () => {
    const bench = createBench({
      board: 'raspberry-pi-4b',
      sample: (sample) => ({ ...sample, boardW: { ok: false, reason: 'no power sensor found' } }),
    });
    await expect(bench.run()).rejects.toThrow(/no power sensor found.*--meter or --watts/);
  });

  it('a sensor that goes away', async () => {
    const bench = createBench({
      board: 'raspberry-pi-4b',
      sample: (sample, nowMs) =>
        nowMs > 20_000 ? { ...sample, boardW: { ok: false, reason: 'chip gone' } } : sample,
    });
    await expect(bench.run()).rejects.toThrow(/no power reading: chip gone/);
  });

  it('a clock that does not do what it is told', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b', canScale: false });
    await expect(bench.run()).rejects.toThrow(/the clock stays at .*leave this step out/);
  });

  it('to go on when it is interrupted, and leaves no work running', async () => {
    const bench = createBench({ board: 'raspberry-pi-4b' });
    bench.clock.setTimer(22_000, () => bench.abort.abort());
    await expect(bench.run()).rejects.toMatchObject({ code: 'cancelled' });
    await bench.clock.advance(1000);
    expect(bench.plant.trueParts().dramW).toBe(0);
    // Only the plant's own timer is left.
    expect(bench.clock.pendingTimers()).toBe(1);
  });
});
