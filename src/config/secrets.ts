import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TwowattError } from '../core/index.ts';
import type { Config } from './schema.ts';

const LARGEST_SECRET_BYTES = 65_536;
const READABLE_BY_EVERYBODY = 0o004;

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** A name without a slash is a systemd credential where there is one of that name. */
function locate(path: string, env: Readonly<Record<string, string | undefined>>): string {
  const credentials = env['CREDENTIALS_DIRECTORY'];
  if (path.includes('/') || credentials === undefined || credentials === '') return path;
  const credential = join(credentials, path);
  return isFile(credential) ? credential : path;
}

/**
 * Reads a secret from its own file, without the line break at its end. Throws `invalid_request` with
 * `param` = `key` when the file is missing, empty, too large or readable by everybody.
 */
export function readSecretFile(
  path: string,
  options: { key: string; env: Readonly<Record<string, string | undefined>> },
): string {
  const file = locate(path, options.env);
  const refuse = (why: string, cause?: unknown) =>
    new TwowattError('invalid_request', `${options.key}: ${file} ${why}`, {
      param: options.key,
      cause,
    });
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse(`cannot be read (${reason}); expected a file that holds the secret`, error);
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) throw refuse('is not a file; expected a file that holds the secret');
    if ((facts.mode & READABLE_BY_EVERYBODY) !== 0) {
      throw refuse(`can be read by every user of this machine; run: chmod 600 ${file}`);
    }
    if (facts.size > LARGEST_SECRET_BYTES) {
      throw refuse(`has ${facts.size} bytes; expected at most ${LARGEST_SECRET_BYTES}`);
    }
    const secret = readFileSync(descriptor, 'utf8').replace(/\r?\n$/, '');
    if (secret === '') throw refuse('is empty; expected it to hold the secret');
    return secret;
  } finally {
    closeSync(descriptor);
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** PEM, as the files hold it. */
export type TlsFiles = { ca?: Buffer; cert?: Buffer; key?: string };

export type BrokerCredentials = { username?: string; password?: string; tls: TlsFiles };

/** A bundle of all public authorities has a quarter of it. */
const LARGEST_CERTIFICATES_BYTES = 1024 * 1024;

/**
 * Certificates and key for the broker. Read anew for each connection, so that renewed ones are taken
 * up without a restart. Throws `invalid_request` that names the setting, for the key as readSecretFile.
 */
export function readTlsFiles(tls: Config['mqtt']['tls'], env: Environment): TlsFiles {
  const ca = readCertificates(tls.ca_file, 'mqtt.tls.ca_file', env);
  const cert = readCertificates(tls.cert_file, 'mqtt.tls.cert_file', env);
  if (tls.key_file === '') return { ...(ca && { ca }), ...(cert && { cert }) };
  const key = readSecretFile(tls.key_file, { key: 'mqtt.tls.key_file', env });
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key)) {
    throw new TwowattError('invalid_request', 'mqtt.tls.key_file: expected a private key in PEM', {
      param: 'mqtt.tls.key_file',
    });
  }
  return { ...(ca && { ca }), ...(cert && { cert }), key };
}

function readCertificates(path: string, key: string, env: Environment): Buffer | undefined {
  if (path === '') return undefined;
  const file = locate(path, env);
  const refuse = (why: string, cause?: unknown) =>
    new TwowattError('invalid_request', `${key}: ${file} ${why}; expected certificates in PEM`, {
      param: key,
      cause,
    });
  let pem: Buffer;
  try {
    if (statSync(file).size > LARGEST_CERTIFICATES_BYTES) throw refuse('is too large');
    pem = readFileSync(file);
  } catch (error) {
    if (error instanceof TwowattError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse(`cannot be read (${reason})`, error);
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw refuse('holds no certificate');
  return pem;
}

/**
 * User name, password and certificates for the broker, read from the files that the settings name.
 * Throws as readSecretFile and readTlsFiles.
 */
export function brokerCredentials(mqtt: Config['mqtt'], env: Environment): BrokerCredentials {
  const { username, password_file: passwordFile } = mqtt;
  return {
    ...(username === '' ? {} : { username }),
    ...(passwordFile === ''
      ? {}
      : { password: readSecretFile(passwordFile, { key: 'mqtt.password_file', env }) }),
    tls: readTlsFiles(mqtt.tls, env),
  };
}

/** One field name of HTTP (RFC 9110, 5.1) and a value of visible characters and blanks. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+)\s*:\s*([\x20-\x7e]*)$/;

/** The headers in `tracing.headers_file`. Throws as readSecretFile, also for a line that is no header. */
export function collectorHeaders(
  { headers_file: file }: Config['tracing'],
  env: Environment,
): Record<string, string> {
  if (file === '') return {};
  const key = 'tracing.headers_file';
  const lines = readSecretFile(file, { key, env }).split(/\r?\n/);
  return Object.fromEntries(
    lines.flatMap((line, index) => {
      if (line.trim() === '') return [];
      const [, name, value = ''] = HEADER.exec(line) ?? [];
      if (name !== undefined) return [[name, value.trimEnd()] as const];
      // The line itself may be a secret.
      throw new TwowattError(
        'invalid_request',
        `${key}: line ${index + 1} is no header; expected name: value`,
        { param: key },
      );
    }),
  );
}

/** Every file that the settings name as holding a secret, with the setting that names it. */
export function secretFiles(config: Config, env: Environment): { key: string; path: string }[] {
  const { mqtt, http, cloud, tracing, fleet } = config;
  return [
    { key: 'mqtt.password_file', path: mqtt.password_file },
    { key: 'mqtt.tls.key_file', path: mqtt.tls.key_file },
    { key: 'http.token_file', path: http.token_file },
    { key: 'tracing.headers_file', path: tracing.headers_file },
    { key: 'fleet.metrics_token_file', path: fleet.metrics_token_file },
    { key: 'fleet.tls.key_file', path: fleet.tls.key_file },
    ...cloud.endpoints.map(({ name, api_key_file: path = '' }) => ({
      key: `cloud.endpoints ${name}`,
      path,
    })),
  ]
    .filter(({ path }) => path !== '')
    .map(({ key, path }) => ({ key, path: locate(path, env) }));
}
