import { expect, it } from 'vitest';
import type { LoadedConfig } from '../../../src/config/index.ts';
import { silentLogger, TwowattError } from '../../../src/core/index.ts';
import { startHttp } from '../../../src/daemon/open-http.ts';
import type { HttpGateway } from '../../../src/gateway/http/index.ts';

const loadedFrom = (source: 'default' | 'flag') =>
  ({ origins: { 'http.port': { source, detail: null } } }) as unknown as LoadedConfig;
const gateway = (start: () => Promise<{ host: string; port: number }>) =>
  ({ start }) as unknown as HttpGateway;
const failing = (param: string) =>
  gateway(() => Promise.reject(new TwowattError('invalid_request', 'taken', { param })));

it('serves MQTT without HTTP when the default port is taken, and ends for a port that was chosen', async () => {
  expect(await startHttp(failing('http.port'), loadedFrom('default'), silentLogger)).toBeNull();
  await expect(startHttp(failing('http.port'), loadedFrom('flag'), silentLogger)).rejects.toThrow(
    'taken',
  );
  await expect(
    startHttp(failing('http.host'), loadedFrom('default'), silentLogger),
  ).rejects.toThrow('taken');
  const address = { host: '127.0.0.1', port: 1 };
  const listening = gateway(() => Promise.resolve(address));
  expect(await startHttp(listening, loadedFrom('flag'), silentLogger)).toEqual(address);
  expect(await startHttp(null, loadedFrom('default'), silentLogger)).toBeNull();
});
