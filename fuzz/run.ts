/**
 * Fuzzes the readers with Jazzer.js (libFuzzer with coverage feedback):
 *   npm run fuzz -- --minutes 10                  all targets, one after the other
 *   npm run fuzz -- --minutes 5 --target prompt   one of them
 *   npm run fuzz -- --coverage                    replays the corpus and prints what it reaches
 * What a run found interesting is kept in fuzz/.corpus; an input that breaks a target is written to
 * fuzz/.crashes, and belongs in fuzz/regressions/TARGET once the fault is mended. Exit code 1 then.
 *
 * Jazzer.js's library wants glibc 2.38 (Debian 13, Ubuntu 24.04). Elsewhere FUZZ_NODE may name a script
 * that starts Node with such a one (docs/security.md says how).
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Target } from './expect.ts';

const HERE = import.meta.dirname;
const ROOT = dirname(HERE);
const MOST_INPUT_BYTES = 8192;
/** One input that takes longer hangs. Targets themselves allow a second. */
const HANG_S = 20;
/** Both bounds together catch a reader that makes much out of little. */
const MOST_RESIDENT_MB = 1500;
const MOST_HEAP_MB = 512;
/** Looked into for coverage: our code, and the parsers that it hands strangers' text to. */
const INSTRUMENTED = [
  '.build/src/',
  'node_modules/yaml/',
  'node_modules/eventsource-parser/',
  'node_modules/@huggingface/',
];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    target: { type: 'string', multiple: true },
    coverage: { type: 'boolean', default: false },
  },
});

const all = readdirSync(join(HERE, 'targets')).map((file) => basename(file, '.ts'));
const wanted = values.target ?? all;
const unknown = wanted.filter((name) => !all.includes(name));
const minutes = Number(values.minutes);
if (unknown.length > 0 || !(minutes > 0)) {
  console.error(`usage: npm run fuzz -- --minutes N [--target ${all.join('|')}] [--coverage]`);
  process.exit(2);
}

/** Jazzer.js instruments JavaScript only. */
function build(): void {
  const compiler = spawnSync('tsc', ['-p', join(HERE, 'tsconfig.json')], { stdio: 'inherit' });
  if (compiler.status !== 0) process.exit(1);
}

async function writeSeeds(name: string, corpus: string): Promise<void> {
  const target = (await import(`./targets/${name}.ts`)) as Target;
  for (const [at, seed] of target.seeds().entries())
    writeFileSync(join(corpus, `seed-${at}`), seed);
  const regressions = join(HERE, 'regressions', name);
  try {
    for (const file of readdirSync(regressions)) {
      writeFileSync(join(corpus, `regression-${file}`), readFileSync(join(regressions, file)));
    }
  } catch {
    // Nothing has been found in it yet.
  }
}

type Outcome = { code: number | null; log: string };

function jazzer(
  name: string,
  corpus: string,
  libFuzzer: string[],
  own: string[],
): Promise<Outcome> {
  const scratch = mkdtempSync(
    join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'twowatt-fuzz-'),
  );
  const cli = createRequire(import.meta.url).resolve('@jazzer.js/core/dist/cli.js');
  const target = join(HERE, '.build/fuzz/targets', `${name}.js`);
  // The first waits for files; handles of the second's databases are freed between turns of the event loop.
  const isAsync = name === 'tokenizer' || name === 'journal';
  const child = spawn(
    process.env['FUZZ_NODE'] ?? process.execPath,
    [
      `--max-old-space-size=${MOST_HEAP_MB}`,
      cli,
      target,
      corpus,
      ...INSTRUMENTED.flatMap((path) => ['-i', path]),
      // Overrides the standard exclusion of node_modules.
      '-e',
      'nothing-is-excluded',
      '--disableBugDetectors',
      'path-traversal',
      '--timeout',
      // Istanbul's counters make the first input slow.
      String((values.coverage ? 10 : 1) * HANG_S * 1000),
      ...(isAsync ? [] : ['--sync']),
      ...own,
      '--',
      ...libFuzzer,
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FUZZ_SCRATCH: scratch, ORT_DISABLE_TELEMETRY: '1' },
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-5_000_000)));
  }
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      rmSync(scratch, { recursive: true, force: true });
      resolve({ code, log });
    });
  });
}

const figure = (log: string, pattern: RegExp): string =>
  [...log.matchAll(pattern)].at(-1)?.[1] ?? '?';

type Summary = Record<string, { lines: { pct: number } }>;

/** Lines reached of each of our files, the reader's own before all. */
function printCoverage(reports: string): void {
  const file = join(reports, 'coverage-summary.json');
  for (const [path, { lines }] of Object.entries(
    JSON.parse(readFileSync(file, 'utf8')) as Summary,
  )) {
    const [, own] = path.split('.build/src/');
    if (own !== undefined) console.log(`  ${own.padEnd(50)} ${lines.pct} % of lines`);
  }
}

build();
const crashes = join(HERE, '.crashes');
mkdirSync(crashes, { recursive: true });
let found = 0;
for (const name of wanted) {
  const corpus = join(HERE, '.corpus', name);
  mkdirSync(corpus, { recursive: true });
  await writeSeeds(name, corpus);
  const seconds = Math.max(1, Math.round((minutes * 60) / wanted.length));
  const reports = join(HERE, '.coverage', name);
  const { code, log } = await (values.coverage
    ? jazzer(
        name,
        corpus,
        ['-runs=0', `-artifact_prefix=${crashes}/${name}-`],
        ['--coverage', '--coverageReporters', 'json-summary', '--coverageDirectory', reports],
      )
    : jazzer(
        name,
        corpus,
        [
          `-max_total_time=${seconds}`,
          `-max_len=${MOST_INPUT_BYTES}`,
          `-rss_limit_mb=${MOST_RESIDENT_MB}`,
          `-artifact_prefix=${crashes}/${name}-`,
          '-print_final_stats=1',
        ],
        [],
      ));
  const runs = figure(log, /number_of_executed_units: (\d+)/g);
  const edges = figure(log, /cov: (\d+)/g);
  const kept = readdirSync(corpus).length;
  console.log(
    `${name.padEnd(14)} ${runs} executions in ${seconds} s, ${edges} edges, corpus ${kept}${code === 0 ? '' : `, FAILED (${code})`}`,
  );
  if (values.coverage && code === 0) printCoverage(reports);
  if (code !== 0) {
    found += 1;
    console.log(
      log
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .slice(-40)
        .join('\n'),
    );
  }
}
process.exit(found > 0 ? 1 : 0);
