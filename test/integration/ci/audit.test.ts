import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const SCRIPT = resolve(import.meta.dirname, '../../../.ci/audit.ts');

/** A registry that knows these advisories; undefined is one without that endpoint. */
async function registry(advisories: object | undefined): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    const isAsked = request.url?.endsWith('/security/advisories/bulk') === true;
    response.statusCode = isAsked && advisories !== undefined ? 200 : 405;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(isAsked ? (advisories ?? {}) : {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
const cache = mkdtempSync(join(tmpdir(), 'twowatt-audit-'));
const servers: ReturnType<typeof createServer>[] = [];

async function audit(url: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    env: {
      ...process.env,
      npm_config_registry: url,
      npm_config_fetch_retries: '0',
      npm_config_cache: mkdtempSync(join(cache, 'n')),
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = (await once(child, 'exit')) as [number];
  return { code, output };
}

const advisory = (severity: string) => ({
  fastify: [
    {
      id: 1,
      url: 'https://example.invalid/1',
      title: 'a hole',
      severity,
      vulnerable_versions: '*',
    },
  ],
});

describe('npm run audit', () => {
  afterAll(() => {
    rmSync(cache, { recursive: true, force: true });
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it(
    'fails for a finding of high severity, and names the package',
    { timeout: 120_000 },
    async () => {
      const { code, output } = await audit(await registry(advisory('high')));
      expect(output).toContain('high fastify');
      expect(code).toBe(1);
    },
  );

  it('passes for less, and for nothing', { timeout: 120_000 }, async () => {
    const less = await audit(await registry(advisory('moderate')));
    expect(less.output).toMatch(/1 findings in what ships, 0 of them high/);
    expect(less.code).toBe(0);
    expect(await audit(await registry({}))).toMatchObject({ code: 0 });
  });

  it(
    'passes when the registry does not tell, unless that is asked for',
    { timeout: 120_000 },
    async () => {
      const silent = await registry(undefined);
      const { code, output } = await audit(silent);
      expect(output).toMatch(/not known, the registry does not tell/);
      expect(code).toBe(0);
      expect(await audit(silent, '--required')).toMatchObject({ code: 3 });
      expect(await audit('http://127.0.0.1:9/', '--required')).toMatchObject({ code: 3 });
    },
  );
});
