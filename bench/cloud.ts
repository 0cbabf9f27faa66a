/**
 * Does the cloud client hold what docs/cloud.md says? `npm run bench:cloud -- [--prompts N] [--seed N]`
 *
 * Two endpoints on this machine speak the protocol over real HTTP and spoil one call in five: 5xx,
 * stalls and resets before and after the first token, malformed events, slow bytes. Prints a table with
 * PASS or FAIL, and exits 1 on a FAIL. The endpoints keep books of what they would charge; the client's
 * costs are held against these. Nothing leaves the machine.
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../src/hardware/sim/random.ts';
import { startCloudEndpoint } from '../test/fakes/cloud-endpoint.ts';
import { faultTraffic, outageTraffic, tightBudgetTraffic } from './cloud/traffic.ts';

const { values } = parseArgs({
  options: {
    prompts: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
  },
});
const prompts = Number(values.prompts);
const random = createRandom(Number(values.seed));

type Row = { what: string; measured: string; wanted: string; pass: boolean };
const rows: Row[] = [];
const percent = (part: number, digits = 2) => `${(part * 100).toFixed(digits)} %`;
const judge = (what: string, measured: string, wanted: string, pass: boolean) =>
  rows.push({ what, measured, wanted, pass });

const WORDS =
  'turn the kitchen lamp off when sensor seven reads below thirty degrees tonight'.split(' ');
const HAN = '把书房的台灯调到百分之三十然后告诉我现在室内温度是多少谢谢你';

/** Text of 5 to 30 pieces, English or Chinese. */
function pieces(): string[] {
  const length = 5 + Math.floor(random.uniform() * 25);
  const chinese = random.uniform() < 0.4;
  const source = chinese ? HAN.split('') : WORDS.map((word) => `${word} `);
  return Array.from({ length }, () => source[Math.floor(random.uniform() * source.length)] ?? '');
}

const servers = await Promise.all(
  [0, 1].map(() =>
    startCloudEndpoint({
      answer: pieces,
      // Log-normal around 30 ms: most calls are quick, a few are not.
      firstTokenMs: () => 30 * Math.exp(0.5 * random.normal()),
      tokenMs: 1,
    }),
  ),
);

try {
  const ask = () => pieces().join('');
  const faults = await faultTraffic({ servers, prompts, random, ask });
  judge(
    `answered within the deadline, of ${prompts}`,
    percent(faults.answered / prompts, 3),
    '≥ 99.5 %',
    faults.answered / prompts >= 0.995,
  );
  const extra = faults.calls / prompts - 1;
  const least = faults.fatalShare / (1 - faults.fatalShare);
  judge(
    'extra calls per prompt (least possible)',
    `${percent(extra)} (${percent(least)})`,
    '≤ least + 5 points',
    extra <= least + 0.05,
  );
  const error = faults.counted / faults.charged - 1;
  judge('cost counted against cost charged', percent(error), '± 1 %', Math.abs(error) <= 0.01);

  const tight = await tightBudgetTraffic({ servers, prompts: 600, random, ask });
  judge(
    `charged of a budget of ${tight.limit} with 32 prompts at a time`,
    `${tight.charged.toFixed(6)}, ${tight.refused} refused`,
    '≤ budget',
    tight.charged <= tight.limit && tight.refused > 0,
  );

  const outage = await outageTraffic({ servers, random, ask });
  judge(
    `answered while one of two was down for ${outage.downMs / 1000} s, of ${outage.prompts}`,
    percent(outage.answered / outage.prompts, 3),
    '≥ 99.5 %',
    outage.answered / outage.prompts >= 0.995,
  );
  judge('calls that the dead endpoint got', String(outage.wasted), '—', true);
  judge(
    'probes until it was used again',
    `${outage.probes}, after ${Math.round(outage.backAfterMs)} ms`,
    '1',
    outage.probes === 1,
  );

  const cells = [
    ['', 'measured', 'wanted', ''],
    ...rows.map(({ what, measured, wanted, pass }) => [
      what,
      measured,
      wanted,
      pass ? 'PASS' : 'FAIL',
    ]),
  ];
  const widths = [0, 1, 2, 3].map((at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  for (const row of cells) {
    const line = row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  process.stdout.write(
    `\nretries ${faults.totals.retries}, hedges ${faults.totals.hedges}, restarts ` +
      `${faults.totals.restarts}; time to the answer p50 ${faults.p50Ms.toFixed(0)} ms, ` +
      `p99 ${faults.p99Ms.toFixed(0)} ms, longest ${faults.longestMs.toFixed(0)} ms; ` +
      `errors ${JSON.stringify(faults.errors)}; seed ${values.seed}\n`,
  );
} finally {
  await Promise.all(servers.map((server) => server.close()));
}
process.exitCode = rows.every(({ pass }) => pass) ? 0 : 1;
