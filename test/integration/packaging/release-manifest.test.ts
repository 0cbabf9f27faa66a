import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicKeyOf, writeManifest } from '../../../packaging/release-manifest.ts';

describe('the release manifest', () => {
  let folder: string;
  let keyFile: string;
  const at = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-release-'));
    keyFile = at('throw-away.pem');
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', keyFile]);
    writeFileSync(at('twowatt_1.0.0_arm64.deb'), 'a package');
    writeFileSync(at('twowatt_1.0.0_arm64.cdx.json'), '{}');
    writeFileSync(at('notes.txt'), 'not part of the release');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The commands of docs/releasing.md: nothing of ours is needed to verify. */
  function verify(): { signature: boolean; files: boolean } {
    writeFileSync(at('release.pub'), publicKeyOf(keyFile));
    const run = (command: string, args: string[]) =>
      spawnSync(command, args, { cwd: folder, stdio: 'ignore' }).status === 0;
    return {
      signature: run(
        'openssl',
        'pkeyutl -verify -pubin -inkey release.pub -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig'.split(
          ' ',
        ),
      ),
      files: run('sha256sum', ['--check', '--strict', 'SHA256SUMS']),
    };
  }

  it('lists every artefact, and openssl and sha256sum accept it', () => {
    const names = writeManifest(folder, keyFile);
    expect(names).toEqual(['twowatt_1.0.0_arm64.cdx.json', 'twowatt_1.0.0_arm64.deb']);
    expect(verify()).toEqual({ signature: true, files: true });
  });

  it('betrays an artefact that was changed', () => {
    writeManifest(folder, keyFile);
    writeFileSync(at('twowatt_1.0.0_arm64.deb'), 'b package');
    expect(verify()).toEqual({ signature: true, files: false });
  });

  it('betrays a manifest that was changed to fit', () => {
    writeManifest(folder, keyFile);
    writeFileSync(at('twowatt_1.0.0_arm64.deb'), 'b package');
    execFileSync('sh', ['-c', 'sha256sum *.deb *.json > SHA256SUMS'], { cwd: folder });
    expect(verify()).toEqual({ signature: false, files: true });
  });

  it('does not verify with another key', () => {
    writeManifest(folder, keyFile);
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', keyFile]);
    expect(verify().signature).toBe(false);
  });

  it('without a key there is no signature, nor an older one', () => {
    writeManifest(folder, keyFile);
    writeManifest(folder, undefined);
    expect(existsSync(at('SHA256SUMS.sig'))).toBe(false);
    expect(verify().files).toBe(true);
  });

  it('refuses a key of another kind, and a folder without artefacts', () => {
    execFileSync(
      'openssl',
      'genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out'.split(' ').concat(keyFile),
    );
    expect(() => writeManifest(folder, keyFile)).toThrow('expected an Ed25519 key, found ec');
    rmSync(at('twowatt_1.0.0_arm64.deb'));
    rmSync(at('twowatt_1.0.0_arm64.cdx.json'));
    expect(() => writeManifest(folder, undefined)).toThrow('nothing to release');
  });
});
