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

export type BrokerCredentials = {
  username?: string;
  password?: string;
  /** PEM, as the files hold it. */
  tls: { ca?: Buffer; cert?: Buffer; key?: Buffer };
};

/**
 * User name, password and certificates for the broker, read from the files that the settings name.
 * Throws as readSecretFile for the password, and the system's error for a certificate.
 */
export function brokerCredentials(mqtt: Config['mqtt'], env: Environment): BrokerCredentials {
  const { username, password_file: passwordFile, tls } = mqtt;
  const read = (path: string) => (path === '' ? undefined : readFileSync(path));
  const [ca, cert, key] = [read(tls.ca_file), read(tls.cert_file), read(tls.key_file)];
  return {
    ...(username === '' ? {} : { username }),
    ...(passwordFile === ''
      ? {}
      : { password: readSecretFile(passwordFile, { key: 'mqtt.password_file', env }) }),
    tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) },
  };
}

/** Every file that the settings name as holding a secret, with the setting that names it. */
export function secretFiles(config: Config, env: Environment): { key: string; path: string }[] {
  const { mqtt, http, cloud, fleet } = config;
  return [
    { key: 'mqtt.password_file', path: mqtt.password_file },
    { key: 'mqtt.tls.key_file', path: mqtt.tls.key_file },
    { key: 'http.token_file', path: http.token_file },
    { key: 'fleet.tls.key_file', path: fleet.tls.key_file },
    ...cloud.endpoints.map(({ name, api_key_file: path = '' }) => ({
      key: `cloud.endpoints ${name}`,
      path,
    })),
  ]
    .filter(({ path }) => path !== '')
    .map(({ key, path }) => ({ key, path: locate(path, env) }));
}
