import { expect, it } from 'vitest';
import { ConfigError, type LoadedConfig } from '../../../src/config/index.ts';
import type { LogFields, Logger } from '../../../src/core/index.ts';
import { createReloader } from '../../../src/daemon/reload.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

function setUp(load: () => LoadedConfig) {
  const told: Record<string, string | number>[] = [];
  const lines: { level: string; fields: LogFields }[] = [];
  const log = (level: string) => (fields: LogFields) => void lines.push({ level, fields });
  const logger: Logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  };
  const taken: LoadedConfig[] = [];
  const reload = createReloader({
    load,
    daemon: {
      reload(next) {
        taken.push(next);
        return { applied: ['log.level'], restart: ['mqtt.url', 'node.id'] };
      },
    },
    logger,
    clock: createVirtualClock(),
    tell: (fields) => told.push(fields),
    status: 'serving as board',
  });
  return { reload, told, lines, taken };
}

const good = { problems: [] } as unknown as LoadedConfig;

it('brackets the reload for the service manager and shows what needs a restart', () => {
  const { reload, told, lines, taken } = setUp(() => good);
  reload();
  expect(taken).toEqual([good]);
  expect(told).toEqual([
    { RELOADING: 1, MONOTONIC_USEC: 1_000_000 },
    { READY: 1, STATUS: 'serving as board; a restart is needed for mqtt.url, node.id' },
  ]);
  expect(lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields['key'])).toEqual([
    'mqtt.url',
    'node.id',
  ]);
});

it('keeps the old configuration when the new one is bad, names every bad key, and says ready', () => {
  const origin = { source: 'file', detail: '/etc/twowatt/config.yaml' } as const;
  const { reload, told, lines, taken } = setUp(() => {
    throw new ConfigError([
      { key: 'mqtt.keepalive_s', message: 'expected a whole number', origin },
      { key: 'governor.bugdet_w', message: 'no such setting', origin },
    ]);
  });
  reload();
  expect(taken).toEqual([]);
  expect(lines.map(({ level, fields }) => [level, fields['key']])).toEqual([
    ['error', 'mqtt.keepalive_s'],
    ['error', 'governor.bugdet_w'],
  ]);
  expect(told.at(-1)).toEqual({
    READY: 1,
    STATUS:
      'serving as board; the new configuration is refused: mqtt.keepalive_s, governor.bugdet_w',
  });
});

it('is ready again even after a fault of its own', () => {
  const { reload, told } = setUp(() => {
    throw new Error('disk');
  });
  reload();
  expect(told.at(-1)).toMatchObject({ READY: 1 });
});
