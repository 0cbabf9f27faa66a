/**
 * Writes SHA256SUMS over the artefacts in a folder, and signs it: `npm run package:manifest --
 * [--dir FOLDER] [--key FILE]`. The key is an Ed25519 private key in PEM (`openssl genpkey -algorithm
 * ed25519`), named by `--key` or $TWOWATT_RELEASE_KEY_FILE; without one the manifest stays unsigned.
 * docs/releasing.md says how to verify it with openssl and sha256sum alone.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const MANIFEST = 'SHA256SUMS';
export const SIGNATURE = 'SHA256SUMS.sig';
const ARTEFACT = /\.(?:deb|tgz|cdx\.json)$/;

/**
 * @returns the names of what was listed
 * @throws Error when there is nothing to list or the key is no Ed25519 private key
 */
export function writeManifest(folder: string, keyFile: string | undefined): string[] {
  const names = readdirSync(folder)
    .filter((name) => ARTEFACT.test(name))
    .sort();
  if (names.length === 0)
    throw new Error(`${folder}: nothing to release (*.deb, *.tgz, *.cdx.json)`);
  const lines = names.map((name) => {
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
    return `${digest}  ${name}\n`;
  });
  const manifest = Buffer.from(lines.join(''));
  const signature = keyFile === undefined ? undefined : signed(manifest, keyFile);
  // A signature of an older manifest must not lie beside the new one.
  rmSync(join(folder, SIGNATURE), { force: true });
  writeFileSync(join(folder, MANIFEST), manifest);
  if (signature !== undefined) writeFileSync(join(folder, SIGNATURE), signature);
  return names;
}

function signed(manifest: Buffer, keyFile: string): Buffer {
  const key = createPrivateKey(readFileSync(keyFile));
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Error(`${keyFile}: expected an Ed25519 key, found ${key.asymmetricKeyType}`);
  }
  return sign(null, manifest, key);
}

/** What users verify with, for the release notes. */
export const publicKeyOf = (keyFile: string): string =>
  createPublicKey(createPrivateKey(readFileSync(keyFile)))
    .export({ type: 'spki', format: 'pem' })
    .toString();

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: resolve(import.meta.dirname, '../release') },
      key: { type: 'string' },
    },
  });
  const keyFile = values.key ?? process.env['TWOWATT_RELEASE_KEY_FILE'];
  const names = writeManifest(resolve(values.dir), keyFile);
  process.stdout.write(`${MANIFEST}: ${names.join(', ')}\n`);
  process.stdout.write(
    keyFile === undefined
      ? 'not signed: no key given (--key, TWOWATT_RELEASE_KEY_FILE)\n'
      : `${SIGNATURE}: signed; the public key is\n${publicKeyOf(keyFile)}`,
  );
}
