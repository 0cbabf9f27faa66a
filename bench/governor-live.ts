/**
 * The real daemon with the real engine on a simulated board, in real time: prompts without a pause,
 * while a process of its own plays the board (from the CPU time that the daemon's process tree really
 * uses) and logs the board's true power. The limits are judged on that log.
 *
 *   node bench/governor-live.ts [--board raspberry-pi-4b] [--seconds 180] [--budget 2] [--model DIR] [--json]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { connectDevice, startDaemonProcess, waitOnline } from '../test/e2e/harness.ts';
import { mosquittoAvailable, startAedes, startMosquitto } from '../test/fakes/brokers.ts';

const { values } = parseArgs({
  options: {
    board: { type: 'string', default: 'raspberry-pi-4b' },
    seconds: { type: 'string', default: '180' },
    budget: { type: 'string', default: '2' },
    model: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const budgetW = Number(values.budget);
/** Contract and governor.md: mean over the window, and by how much it may pass the budget. */
const LIMITS = [
  { windowS: 60, overPct: 0 },
  { windowS: 10, overPct: 3 },
  { windowS: 1, overPct: 10 },
];

const folder = mkdtempSync(join(tmpdir(), 'twowatt-live-'));
const board = join(folder, 'sys');
const log = join(folder, 'truth.csv');
const broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
const daemon = startDaemonProcess({
  brokerUrl: broker.url,
  stateFolder: join(folder, 'state'),
  set: [
    `hardware.sysfs_root=${board}`,
    `hardware.profile=${values.board}`,
    `governor.budget_w=${budgetW}`,
    'engine.threads=0',
    ...(values.model === undefined ? [] : [`model.path=${resolve(values.model)}`]),
  ],
});
const plant = spawn(
  process.execPath,
  [
    resolve(import.meta.dirname, '../src/cli/main.ts'),
    'sim',
    '--live',
    board,
    '--board',
    values.board,
    '--pid',
    String(daemon.pid),
    '--log',
    log,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
const plantStartedAt = performance.now();
const device = await connectDevice(broker.url);
let judgedFromS = 0;
let answers = 0;
let tokens = 0;
let joules = 0;
let measured = 0;
try {
  await waitOnline(device);
  // Loading the model is no inference, and nothing paces it: judged is what comes after.
  await device.prompt({ id: 'first', prompt: 'warm up', max_tokens: 1 });
  await device.terminal('first');
  judgedFromS = (performance.now() - plantStartedAt) / 1000 + 1;
  const end = performance.now() + seconds * 1000;
  for (let round = 0; performance.now() < end; round += 1) {
    const id = `g${round}`;
    await device.prompt({
      id,
      prompt: `Round ${round}: tell a long story about a lamp, a fan and a sensor in the garden.`,
      max_tokens: 100,
      temperature: 1.5,
      seed: round,
    });
    const frame = await device.terminal(id, 300_000);
    if (frame.type !== 'done') throw new Error(JSON.stringify(frame));
    answers += 1;
    tokens += frame.usage.completion_tokens;
    joules += frame.energy.joules ?? 0;
    if (frame.energy.measured) measured += 1;
  }
} finally {
  await device.close();
  await daemon.stop();
  plant.kill();
  await broker.close();
}

const rows = readFileSync(log, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').map(Number))
  .map(([atS = 0, , aboveIdleW = 0]) => ({ atS, aboveIdleW }))
  .filter(({ atS }) => atS >= judgedFromS && atS <= judgedFromS + seconds);
rmSync(folder, { recursive: true, force: true });

/** Time-weighted means over every window of the length that ends at a row. */
function meansOver(windowS: number): number[] {
  const energy = [0];
  for (let index = 1; index < rows.length; index += 1) {
    const { atS, aboveIdleW } = rows[index]!;
    energy.push(energy[index - 1]! + aboveIdleW * (atS - rows[index - 1]!.atS));
  }
  const means: number[] = [];
  let from = 0;
  for (let to = 1; to < rows.length; to += 1) {
    while (rows[to]!.atS - rows[from + 1]!.atS >= windowS) from += 1;
    const span = rows[to]!.atS - rows[from]!.atS;
    if (span >= windowS) means.push((energy[to]! - energy[from]!) / span);
  }
  return means;
}

const windows = LIMITS.map(({ windowS, overPct }) => {
  const means = meansOver(windowS);
  const limitW = budgetW * (1 + overPct / 100);
  return {
    windowS,
    limitW,
    maxW: Math.max(...means),
    shareWithinPct: (means.filter((mean) => mean <= limitW).length / means.length) * 100,
  };
});
const trueJ = meansOver(seconds * 0.9).at(-1) ?? Number.NaN;
const result = {
  board: values.board,
  budgetW,
  seconds,
  answers,
  tokens,
  joules,
  measured,
  trueJ,
  windows,
};
if (values.json) console.log(JSON.stringify(result));
else {
  console.log(
    `${values.board}, budget ${budgetW} W above idle, ${seconds} s: ${answers} answers (${measured} measured), ${(tokens / seconds).toFixed(1)} tokens/s, ${(joules / tokens).toFixed(4)} J/token as answered, mean true power ${trueJ.toFixed(3)} W`,
  );
  for (const { windowS, limitW, maxW, shareWithinPct } of windows) {
    console.log(
      `  ${String(windowS).padStart(2)} s: most ${maxW.toFixed(3)} W, limit ${limitW.toFixed(2)} W, within in ${shareWithinPct.toFixed(2)} % of windows`,
    );
  }
}
