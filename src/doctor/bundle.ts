import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { packTar } from 'modern-tar';
import { writeFileAtomic } from '../core/index.ts';
import type { Outcomes } from './facts.ts';
import type { Report } from './report.ts';

const README = `What a person who helps needs to know of a twowatt board, made by \`twowatt doctor --bundle\`.

doctor.json     what was looked at and what is wrong
config.json     every setting and where it came from; secrets masked, system prompt left out
facts.json      what the findings rest on: sensors, model, disk, broker, service
profile.json    the device profile in use
governor.json   what the governor has learnt of this board
health.json     what the running daemon last reported (state, info, health)
versions.json   of twowatt, Node, the C library and the broker
log.jsonl       the last lines of the log, without the fields that may hold people's words

No prompts, no answers, no passwords, no keys. Folder and host names are in it: look before you post it.
`;

/** The facts of a probe, or why there are none. */
function valueOf<Name extends keyof Outcomes>(outcomes: Outcomes, name: Name) {
  const outcome = outcomes[name];
  if (outcome === undefined) return { absent: 'not looked at' };
  return outcome.ok ? outcome.value : { absent: outcome.reason };
}

function parsedOrNull(payload: string | null): unknown {
  try {
    return payload === null ? null : (JSON.parse(payload) as unknown);
  } catch {
    return null;
  }
}

/** Every file of the bundle by its name. The facts hold no secrets: probe-main.ts has masked them. */
export function bundleFiles(report: Report, outcomes: Outcomes): Record<string, string> {
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const { config, system, board, governor, broker, log } = outcomes;
  const { log: _log, config: _config, ...facts } = outcomes;
  const look = broker?.ok === true && broker.value.look.ok ? broker.value.look : null;
  const retained = look === null ? null : look.retained;
  return {
    'README.txt': README,
    'doctor.json': json(report),
    'config.json': json(
      config?.ok === true
        ? {
            file: config.value.file,
            overlay: config.value.overlayPath,
            settings: Object.fromEntries(
              config.value.settings.map(({ key, value, origin }) => [key, { value, origin }]),
            ),
            ignored: config.value.ignored,
          }
        : valueOf(outcomes, 'config'),
    ),
    'facts.json': json(facts),
    'profile.json': json(
      board?.ok === true ? (board.value.profile?.profile ?? null) : valueOf(outcomes, 'board'),
    ),
    'governor.json': json(
      governor?.ok === true ? governor.value.saved : valueOf(outcomes, 'governor'),
    ),
    'health.json': json(
      retained === null
        ? { absent: 'no broker, or nothing retained' }
        : {
            state: parsedOrNull(retained.state),
            info: parsedOrNull(retained.info),
            health: parsedOrNull(retained.health),
          },
    ),
    'versions.json': json({
      twowatt: report.version,
      node: system?.ok === true ? system.value.node : process.versions.node,
      glibc: system?.ok === true ? system.value.glibc : null,
      platform: `${process.platform} ${process.arch}`,
      broker: look?.server ?? null,
    }),
    'log.jsonl':
      log?.ok === true
        ? `${JSON.stringify({ source: log.value.source, left_out: log.value.leftOut })}\n${log.value.lines.map((line) => `${line}\n`).join('')}`
        : json(valueOf(outcomes, 'log')),
  };
}

/** Writes the bundle as tar.gz, readable by its owner only, whole or not at all. */
export async function writeBundle(
  path: string,
  folder: string,
  files: Record<string, string>,
  wallMs: number,
): Promise<{ bytes: number }> {
  const mtime = new Date(wallMs);
  const archive = await packTar(
    Object.entries(files).map(([name, text]) => {
      const body = Buffer.from(text);
      return { header: { name: `${folder}/${name}`, size: body.length, mode: 0o600, mtime }, body };
    }),
  );
  const packed = await promisify(gzip)(archive);
  writeFileAtomic(path, packed);
  return { bytes: packed.length };
}
