/**
 * Asks the registry for known vulnerabilities of what is shipped:
 *   npm run audit                 exit code 1 for findings of severity high or critical
 *   npm run audit -- --required   and 3 when the registry does not answer that question
 * Mirrors of registries often have no such endpoint; without --required that is said, and passes.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

type Report = {
  vulnerabilities?: Record<string, { severity: string; range: string }>;
  metadata?: { vulnerabilities?: Record<string, number> };
  message?: string;
  error?: { summary?: string };
};

const FATAL = new Set(['high', 'critical']);

const asked = spawnSync('npm', ['audit', '--omit', 'dev', '--json'], {
  cwd: resolve(import.meta.dirname, '..'),
  encoding: 'utf8',
  env: { ...process.env, npm_config_fetch_retries: '1', npm_config_fetch_timeout: '30000' },
});

let report: Report;
try {
  report = JSON.parse(asked.stdout) as Report;
} catch {
  report = { message: asked.error?.message ?? asked.stderr.trim().split('\n').at(-1) ?? '' };
}
const counts = report.metadata?.vulnerabilities;
if (counts === undefined) {
  const why = report.message ?? report.error?.summary ?? 'no answer';
  console.error(
    `audit: not known, the registry does not tell (${why.replace(/https?:\S+/g, '…')})`,
  );
  process.exit(process.argv.includes('--required') ? 3 : 0);
}
const found = Object.entries(report.vulnerabilities ?? {});
for (const [name, { severity, range }] of found) console.log(`${severity} ${name} ${range}`);
const fatal = found.filter(([, { severity }]) => FATAL.has(severity));
console.log(
  `audit: ${found.length} findings in what ships, ${fatal.length} of them high or critical`,
);
process.exit(fatal.length > 0 ? 1 : 0);
