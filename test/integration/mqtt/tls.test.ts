import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig, readTlsFiles } from '../../../src/config/index.ts';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../../fakes/brokers.ts';
import { type Authority, createAuthority } from '../../fakes/certificates.ts';
import { createTestNode, type TestNode, until } from './support.ts';

type Files = { ca_file?: string; cert_file?: string; key_file?: string };

/** The settings as the daemon has them, out of the files that they name. */
const tlsOf = (files: Files) => {
  const { values } = loadConfig({
    env: {},
    homeFolder: '/nowhere',
    overlayPath: null,
    searchFiles: [],
    set: Object.entries(files).map(([key, file]) => `mqtt.tls.${key}=${file}`),
  });
  return () => readTlsFiles(values.mqtt.tls, {});
};

describe.skipIf(!mosquittoAvailable())('TLS with the broker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-tls-'));
  const brokers: MosquittoBroker[] = [];
  const nodes: TestNode[] = [];
  let ours: Authority;
  let strangers: Authority;
  let client: { cert: string; key: string };

  beforeAll(() => {
    ours = createAuthority(folder, 'ours');
    strangers = createAuthority(folder, 'strangers');
    client = ours.issue('kitchen');
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.gateway.close(1000);
    for (const started of brokers.splice(0)) await started.close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function broker(
    certificate: { cert: string; key: string },
    lines: string[] = [],
  ): Promise<string> {
    const started = await startMosquitto({
      listener: [
        `cafile ${ours.certificate}`,
        `certfile ${certificate.cert}`,
        `keyfile ${certificate.key}`,
        ...lines,
      ],
    });
    brokers.push(started);
    return `mqtts://127.0.0.1:${started.port}`;
  }

  function nodeWith(url: string, files: Files): TestNode {
    const node = createTestNode(url, { tls: tlsOf(files), random: () => 0 });
    nodes.push(node);
    node.gateway.publishState('online');
    node.gateway.start();
    return node;
  }

  /** What the node says of the broker, as its log and its health have it. */
  async function complaint(url: string, files: Files): Promise<string> {
    const node = nodeWith(url, files);
    await until(() => node.logs.some(({ level }) => level === 'warn'), 'the complaint');
    expect(node.gateway.connected()).toBe(false);
    return node.logs.find(({ level }) => level === 'warn')?.message ?? '';
  }

  it('connects to a broker whose certificate our authority signed', async () => {
    const url = await broker(ours.issue('broker'));
    const node = nodeWith(url, { ca_file: ours.certificate });
    await until(() => node.gateway.connected(), 'the connection');
  });

  it('refuses a certificate of another authority, and says which setting to look at', async () => {
    const url = await broker(strangers.issue('broker'));
    const said = await complaint(url, { ca_file: ours.certificate });
    expect(said).toMatch(/TLS with the broker .* failed \([A-Z_]+\): no authority that we trust/);
    expect(said).toContain('mqtt.tls.ca_file');
  });

  it('refuses a certificate of a private authority while none is named', async () => {
    const url = await broker(ours.issue('broker'));
    expect(await complaint(url, {})).toContain('mqtt.tls.ca_file');
  });

  it('refuses an expired certificate, and thinks of the clock of the board', async () => {
    const url = await broker(ours.issue('old', { days: -1 }));
    const said = await complaint(url, { ca_file: ours.certificate });
    expect(said).toMatch(/CERT_HAS_EXPIRED.*not valid today.*clock/);
  });

  it('refuses a certificate for another host', async () => {
    const url = await broker(ours.issue('elsewhere', { altNames: 'DNS:elsewhere.example' }));
    const said = await complaint(url, { ca_file: ours.certificate });
    expect(said).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID.*another host.*mqtt\.url/);
  });

  it('says so when the broker wants a client certificate and there is none', async () => {
    const url = await broker(ours.issue('broker'), ['require_certificate true']);
    const said = await complaint(url, { ca_file: ours.certificate });
    expect(said).toMatch(/asks for a client certificate; set mqtt\.tls\.cert_file/);
  });

  it('connects with a client certificate where one is required', async () => {
    const url = await broker(ours.issue('broker'), [
      'require_certificate true',
      'use_identity_as_username true',
    ]);
    const node = nodeWith(url, {
      ca_file: ours.certificate,
      cert_file: client.cert,
      key_file: client.key,
    });
    await until(() => node.gateway.connected(), 'the connection');
  });

  it('says so when the broker does not accept the client certificate', async () => {
    const url = await broker(ours.issue('broker'), ['require_certificate true']);
    const wrong = strangers.issue('intruder');
    const said = await complaint(url, {
      ca_file: ours.certificate,
      cert_file: wrong.cert,
      key_file: wrong.key,
    });
    expect(said).toMatch(/does not accept our client certificate; check mqtt\.tls\.cert_file/);
  });

  it('names the port when nobody speaks TLS there', async () => {
    const plain = await startMosquitto();
    brokers.push(plain);
    const said = await complaint(`mqtts://127.0.0.1:${plain.port}`, { ca_file: ours.certificate });
    expect(said).toMatch(/TLS with the broker|was cut|was closed/);
  });

  it('takes up renewed certificates with the next connection, and survives broken ones', async () => {
    const url = await broker(ours.issue('broker'), ['require_certificate true']);
    const [cert, key] = [join(folder, 'live.crt'), join(folder, 'live.key')];
    const expired = ours.issue('worn', { days: -1 });
    copyFileSync(expired.cert, cert);
    copyFileSync(expired.key, key);
    const node = nodeWith(url, { ca_file: ours.certificate, cert_file: cert, key_file: key });
    const warnings = () => node.logs.filter(({ level }) => level === 'warn');
    await until(() => warnings().length === 1, 'the refusal');
    expect(warnings()[0]?.message).toContain('does not accept our client certificate');

    // Half written: the certificate is new, the key still the old one.
    copyFileSync(client.cert, cert);
    await until(() => warnings().length === 2, 'the mismatch');
    expect(warnings()[1]?.message).toMatch(/our certificate files cannot be used/);

    writeFileSync(key, '');
    await until(() => warnings().length === 3, 'the missing key');
    expect(warnings()[2]?.message).toMatch(/mqtt\.tls\.key_file: .* is empty/);

    copyFileSync(client.key, key);
    await until(() => node.gateway.connected(), 'the connection');
  });
});

describe('certificate files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-tls-files-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('refuses a key that every user can read, by name and with what to do', () => {
    const { cert, key } = createAuthority(folder, 'a').issue('x');
    chmodSync(key, 0o644);
    const read = tlsOf({ cert_file: cert, key_file: key });
    expect(read).toThrow(/mqtt\.tls\.key_file: .* every user .* chmod 600/);
    chmodSync(key, 0o640);
    expect(read().key).toContain('PRIVATE KEY');
  });

  it('refuses files that are missing, of another kind or too large, with the setting in param', () => {
    const other = join(folder, 'other.pem');
    writeFileSync(other, 'hello', { mode: 0o600 });
    const big = join(folder, 'big.pem');
    writeFileSync(big, Buffer.alloc(2 * 1024 * 1024));
    const { cert } = createAuthority(folder, 'b').issue('x');
    const codeOf = (files: Files) => {
      try {
        tlsOf(files)();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    for (const file of [other, big, join(folder, 'none')]) {
      expect(codeOf({ ca_file: file })).toMatchObject({
        code: 'invalid_request',
        param: 'mqtt.tls.ca_file',
      });
    }
    expect(codeOf({ cert_file: cert, key_file: other })).toMatchObject({
      code: 'invalid_request',
      param: 'mqtt.tls.key_file',
    });
  });
});
