import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { goesToJournal, journalLog, withPriority } from '../../../src/daemon/journal-log.ts';
import { createLogger, type LogLevels } from '../../../src/daemon/logger.ts';

type Line = { room: string; msg: string; [field: string]: unknown };

function recording(levels: LogLevels) {
  const lines: Line[] = [];
  const logger = createLogger({
    ...levels,
    destination: { write: (line) => void lines.push(JSON.parse(line) as Line) },
  });
  return { logger, lines, said: () => lines.splice(0).map(({ room, msg }) => `${room}: ${msg}`) };
}

describe('levels', () => {
  it('are a room’s own where it has one, and change for loggers that exist already', () => {
    const { logger, said } = recording({ level: 'warn', levels: { engine: 'debug' } });
    const engine = logger.child({ room: 'engine' });
    const queue = logger.child({ room: 'queue' });
    const sayAll = () => {
      for (const one of [logger, engine, queue]) {
        one.debug({}, 'fine');
        one.error({}, 'bad');
      }
    };
    sayAll();
    expect(said()).toEqual(['daemon: bad', 'engine: fine', 'engine: bad', 'queue: bad']);
    logger.setLevels({ level: 'debug', levels: { engine: 'silent', queue: 'error' } });
    sayAll();
    expect(said()).toEqual(['daemon: fine', 'daemon: bad', 'queue: bad']);
  });

  it('go on to the children of a room, whose lines name each field once', () => {
    const { logger, lines } = recording({ level: 'error', levels: { cloud: 'info' } });
    logger.child({ room: 'cloud' }).child({ endpoint: 'big' }).info({ id: 'a' }, 'called');
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', room: 'cloud', endpoint: 'big', id: 'a' }),
    ]);
  });
});

describe('a log that goes to systemd’s journal', () => {
  it('has the priority of its level before each line', () => {
    const written: string[] = [];
    const logger = createLogger({
      level: 'debug',
      destination: journalLog({ write: (text) => void written.push(text) }),
    });
    logger.debug({}, 'a');
    logger.info({}, 'b');
    logger.warn({}, 'c');
    logger.error({ error: new Error('first\nsecond') }, 'two\nlines');
    expect(written.map((line) => line.slice(0, 4))).toEqual(['<7>{', '<6>{', '<4>{', '<3>{']);
    expect(written.every((text) => text.indexOf('\n') === text.length - 1)).toBe(true);
    expect(JSON.parse(written[3]?.slice(3) ?? '')).toMatchObject({ msg: 'two\nlines' });
  });

  it('gives every line of a text with line breaks its priority', () => {
    expect(withPriority('one\ntwo\r\n\n<0>three\rfour\n', 40)).toBe(
      '<4>one\n<4>two\n<4><0>three\n<4>four\n',
    );
  });

  it('is known by device and inode of the descriptor, not by the variable alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-log-'));
    const mine = openSync(join(folder, 'mine'), 'w');
    const other = openSync(join(folder, 'other'), 'w');
    try {
      const { dev, ino } = fstatSync(mine);
      const env = { JOURNAL_STREAM: `${dev}:${ino}` };
      expect(goesToJournal(mine, env)).toBe(true);
      expect(goesToJournal(other, env)).toBe(false);
      for (const wrong of [undefined, '', '1', ':', `${dev}:${ino}:1`, `${dev}:-${ino}`]) {
        expect(goesToJournal(mine, { JOURNAL_STREAM: wrong })).toBe(false);
      }
      expect(goesToJournal(9999, env)).toBe(false);
    } finally {
      closeSync(mine);
      closeSync(other);
      rmSync(folder, { recursive: true });
    }
  });
});

const LOGGER = new URL('../../../src/daemon/logger.ts', import.meta.url).href;

it.skipIf(!existsSync('/dev/full'))('a log on a full disk does not end its writer', () => {
  const script = `
    import { createLogger, openLog } from '${LOGGER}';
    const logger = createLogger({ level: 'info', levels: {}, destination: openLog({}) });
    for (let n = 0; n < 5000; n += 1) logger.info({ n }, 'a line that finds no room');
    console.error('still here');
  `;
  const said = execFileSync(
    'sh',
    ['-c', '"$0" --input-type=module --eval "$1" 2>&1 >/dev/full', process.execPath, script],
    { encoding: 'utf8' },
  );
  expect(said).toBe('still here\n');
});
