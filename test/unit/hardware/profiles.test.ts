import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/config/index.ts';
import {
  type Board,
  bundledProfiles,
  chooseProfile,
  loadProfiles,
  matchProfile,
  profileDefaultsFor,
  readProfile,
} from '../../../src/hardware/index.ts';
import { profileSchema } from '../../../src/hardware/profile-schema.ts';
import { toJsonSchema } from './json-schema.ts';

const PI5 = join(import.meta.dirname, '../../fixtures/sysfs/raspberry-pi-5');
const profiles = loadProfiles();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-profiles-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Every `source` that stands anywhere in a profile. */
function namedSources(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) =>
    name === 'source' && typeof value === 'string' ? [value] : namedSources(value),
  );
}

describe('the profiles that come with the package', () => {
  it('are there', () => {
    expect(profiles.map((profile) => profile.name)).toEqual(
      expect.arrayContaining(['generic-x86-64', 'raspberry-pi-5']),
    );
  });

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    '%s names the source of each number, and no other',
    (_name, profile) => {
      expect(new Set(namedSources(profile))).toEqual(new Set(Object.keys(profile.sources)));
    },
  );

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    '%s has clock steps and operating points that agree',
    (_name, profile) => {
      const steps = profile.cpu.clusters.flatMap((cluster) => cluster.dvfs.steps);
      for (const cluster of profile.cpu.clusters) {
        const rising = cluster.dvfs.steps.map((step) => step.freq_khz);
        expect(rising).toEqual([...rising].sort((a, b) => a - b));
      }
      const cores = profile.cpu.clusters.reduce((sum, cluster) => sum + (cluster.cores ?? 64), 0);
      for (const point of profile.operating_points) {
        expect(point.threads).toBeLessThanOrEqual(cores);
        if (point.freq_khz !== null) expect(steps.map((s) => s.freq_khz)).toContain(point.freq_khz);
      }
      expect(profile.thermal.limit_c.value).toBeLessThan(profile.thermal.throttle_c.value);
    },
  );

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    '%s brings defaults that the configuration takes',
    (name, profile) => {
      const loaded = loadConfig({
        env: {},
        homeFolder: folder,
        searchFiles: [],
        overlayPath: null,
        profileDefaults: () => ({ profile: name, values: profile.defaults }),
      });
      expect(loaded.origins['governor.temperature_limit_c']).toEqual({
        source: 'profile',
        detail: name,
      });
    },
  );

  it('schema.json says what the code checks', () => {
    const file: unknown = JSON.parse(readFileSync(join(bundledProfiles(), 'schema.json'), 'utf8'));
    expect(file).toEqual(JSON.parse(JSON.stringify(toJsonSchema(profileSchema))));
  });
});

describe('a profile that is wrong', () => {
  const good = () =>
    JSON.parse(readFileSync(join(bundledProfiles(), 'raspberry-pi-5.json'), 'utf8')) as {
      name: string;
      power: { idle_w: unknown };
    };
  const save = (content: unknown) => {
    const file = join(folder, 'raspberry-pi-5.json');
    writeFileSync(file, JSON.stringify(content));
    return file;
  };

  it('is refused with file and field', () => {
    const bare = good();
    bare.power.idle_w = 1.5;
    expect(() => readProfile(save(bare))).toThrow(/raspberry-pi-5\.json: power\.idle_w/);
    expect(() => readProfile(save({ ...good(), colour: 'green' }))).toThrow(/colour/);
    expect(() => readProfile(save({ ...good(), name: 'another' }))).toThrow(/file's own name/);
    writeFileSync(join(folder, 'cut.json'), '{"name":');
    expect(() => loadProfiles(folder)).toThrow(/cut\.json/);
  });
});

describe('the choice of a profile', () => {
  const board: Board = { model: null, compatible: [], arch: 'arm64', cores: 4, memoryBytes: 8e9 };

  it('goes by the device tree, whatever processor the test runs on', () => {
    const { board: found, match } = chooseProfile({
      sysfs_root: join(PI5, 'sys'),
      proc_root: join(PI5, 'proc'),
      vcgencmd: '',
      profile: '',
    });
    expect(found).toMatchObject({
      model: 'Raspberry Pi 5 Model B Rev 1.0',
      compatible: ['raspberrypi,5-model-b', 'brcm,bcm2712'],
      cores: 4,
      memoryBytes: 8_245_296 * 1024,
    });
    expect(match?.profile.name).toBe('raspberry-pi-5');
    expect(match?.why).toContain('Raspberry Pi 5 Model B');
  });

  it('goes by the name without compatible strings, then by the processor, then gives up', () => {
    const named = matchProfile({ ...board, model: 'Raspberry Pi 5 Model B Rev 1.1' }, profiles, '');
    expect(named?.profile.name).toBe('raspberry-pi-5');
    const pc = { ...board, model: 'Some PC', arch: 'x64' };
    expect(matchProfile(pc, profiles, '')?.profile.name).toBe('generic-x86-64');
    expect(matchProfile({ ...board, arch: 'riscv64' }, profiles, '')).toBeNull();
  });

  it('heeds bounds of memory', () => {
    const any = profiles.find((profile) => profile.name === 'raspberry-pi-5');
    if (any === undefined) throw new Error('no profile to vary');
    const small = { ...any, name: 'small', detect: { ...any.detect, max_memory_bytes: 4.5e9 } };
    const large = { ...any, name: 'large', detect: { ...any.detect, min_memory_bytes: 4.5e9 } };
    const pi = { ...board, compatible: ['raspberrypi,5-model-b'] };
    const pick = (memoryBytes: number) =>
      matchProfile({ ...pi, memoryBytes }, [small, large], '')?.profile.name;
    expect([pick(4.2e9), pick(8.4e9)]).toEqual(['small', 'large']);
  });

  it('heeds the configuration, and names the profiles there are when it asks for another', () => {
    expect(matchProfile(board, profiles, 'generic-x86-64')?.why).toContain('hardware.profile');
    expect(() => matchProfile(board, profiles, 'pi-6')).toThrow(ConfigError);
    const options = { env: { TWOWATT_HARDWARE__PROFILE: 'pi-6' }, homeFolder: folder };
    expect(() =>
      loadConfig({ ...options, searchFiles: [], profileDefaults: profileDefaultsFor }),
    ).toThrow(/hardware\.profile: .*raspberry-pi-5 \(environment TWOWATT_HARDWARE__PROFILE\)/);
  });

  it('reaches the configuration as defaults', () => {
    const loaded = loadConfig({
      env: {},
      homeFolder: folder,
      searchFiles: [],
      overlayPath: null,
      set: [`hardware.sysfs_root=${PI5}/sys`, `hardware.proc_root=${PI5}/proc`],
      profileDefaults: profileDefaultsFor,
    });
    expect(loaded.profile).toBe('raspberry-pi-5');
    expect(loaded.values.engine.threads).toBe(3);
    expect(loaded.origins['engine.threads']).toEqual({
      source: 'profile',
      detail: 'raspberry-pi-5',
    });
  });
});
