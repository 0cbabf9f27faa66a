import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';

const LOGGER = new URL('../../../src/daemon/logger.ts', import.meta.url).href;

it.skipIf(!existsSync('/dev/full'))('a log on a full disk does not end its writer', () => {
  const script = `
    import { createLogger } from '${LOGGER}';
    const logger = createLogger({ level: 'info' });
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
