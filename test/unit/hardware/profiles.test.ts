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

/** ERNIE-4.5-0.3B INT8: what one decoded token reads. */
const INT8_BYTES_PER_TOKEN = 0.367e9;

/** Profile, then model and compatible strings as boards have them in their device trees. */
const BOARDS: readonly (readonly [string, string, ...string[]])[] = [
  [
    'raspberry-pi-zero-2-w',
    'Raspberry Pi Zero 2 W Rev 1.0',
    'raspberrypi,model-zero-2-w',
    'brcm,bcm2837',
  ],
  [
    'raspberry-pi-3b-plus',
    'Raspberry Pi 3 Model B Plus Rev 1.3',
    'raspberrypi,3-model-b-plus',
    'brcm,bcm2837',
  ],
  ['raspberry-pi-4b', 'Raspberry Pi 4 Model B Rev 1.4', 'raspberrypi,4-model-b', 'brcm,bcm2711'],
  ['raspberry-pi-4b', 'Raspberry Pi 400 Rev 1.0', 'raspberrypi,400', 'brcm,bcm2711'],
  [
    'raspberry-pi-cm4',
    'Raspberry Pi Compute Module 4 Rev 1.1',
    'raspberrypi,4-compute-module',
    'brcm,bcm2711',
  ],
  ['raspberry-pi-5', 'Raspberry Pi 5 Model B Rev 1.0', 'raspberrypi,5-model-b', 'brcm,bcm2712'],
  [
    'raspberry-pi-cm5',
    'Raspberry Pi Compute Module 5 Rev 1.0',
    'raspberrypi,5-compute-module',
    'brcm,bcm2712',
  ],
  ['jetson-nano', 'NVIDIA Jetson Nano Developer Kit', 'nvidia,jetson-nano', 'nvidia,tegra210'],
  [
    'jetson-xavier-nx',
    'NVIDIA Jetson Xavier NX Developer Kit',
    'nvidia,p3509-0000+p3668-0000',
    'nvidia,tegra194',
  ],
  [
    'jetson-orin-nano',
    'NVIDIA Jetson Orin Nano Developer Kit',
    'nvidia,p3768-0000+p3767-0005',
    'nvidia,p3767-0005',
    'nvidia,tegra234',
  ],
  [
    'jetson-orin-nano-super',
    'NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super',
    'nvidia,p3768-0000+p3767-0005-super',
    'nvidia,p3767-0005',
    'nvidia,tegra234',
  ],
  [
    'jetson-orin-nx',
    'NVIDIA Jetson Orin NX Engineering Reference Developer Kit',
    'nvidia,p3768-0000+p3767-0000',
    'nvidia,p3767-0000',
    'nvidia,tegra234',
  ],
  [
    'jetson-agx-orin',
    'NVIDIA Jetson AGX Orin Developer Kit',
    'nvidia,p3737-0000+p3701-0000',
    'nvidia,p3701-0000',
    'nvidia,tegra234',
  ],
  ['rk3588', 'Orange Pi 5', 'rockchip,rk3588s-orangepi-5', 'rockchip,rk3588'],
  ['rk3588', 'Orange Pi 5 Plus', 'xunlong,orangepi-5-plus', 'rockchip,rk3588'],
];

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

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    '%s has operating points that follow from its cores and its memory',
    (_name, { operating_points: points, cpu, memory }) => {
      const wattsAt = (freqKhz: number | null) =>
        Math.max(
          ...cpu.clusters.flatMap(({ dvfs }) =>
            dvfs.steps.filter((s) => s.freq_khz === freqKhz).map((s) => s.core_w),
          ),
        );
      for (const point of points) {
        const bytesPerS = point.decode_tokens_per_s * INT8_BYTES_PER_TOKEN;
        const modelled =
          point.threads * wattsAt(point.freq_khz) + bytesPerS * memory.energy_j_per_byte.value;
        // Points that were measured need not follow the model; modelled ones only round.
        if (point.estimated === true) {
          expect(Math.abs(point.watts / modelled - 1)).toBeLessThan(0.01);
        }
        expect(bytesPerS).toBeLessThanOrEqual(1.04 * memory.bandwidth_bytes_per_s.value);
      }
      for (const a of points) {
        for (const b of points) {
          const moreWork =
            a.threads >= b.threads && (a.freq_khz ?? 0) >= (b.freq_khz ?? 0) && a !== b;
          if (!moreWork) continue;
          expect(a.watts).toBeGreaterThan(b.watts);
          expect(a.decode_tokens_per_s).toBeGreaterThanOrEqual(b.decode_tokens_per_s);
        }
      }
    },
  );

  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    '%s says so when the model does not fit, and which form does',
    (_name, { model }) => {
      if (model.fits === 'no') expect(model.note).toMatch(/What fits: .*(4 bits|pruned)/);
    },
  );

  it('are told apart by what each board says of itself', () => {
    const found = Object.fromEntries(
      BOARDS.map(([, model, ...compatible]) => {
        const board: Board = { model, compatible, arch: 'arm64', cores: 4, memoryBytes: 4e9 };
        return [model, matchProfile(board, profiles, '')?.profile.name];
      }),
    );
    expect(found).toEqual(Object.fromEntries(BOARDS.map(([name, model]) => [model, name])));
    // The name alone must do as well, and no two profiles may claim it.
    for (const [name, model] of BOARDS) {
      const claims = profiles.filter(({ detect }) =>
        detect.model.some((pattern) => new RegExp(pattern).test(model)),
      );
      expect(claims.map((profile) => profile.name)).toEqual([name]);
    }
    const claimed = profiles.flatMap((profile) => profile.detect.compatible);
    expect(claimed).toEqual([...new Set(claimed)]);
  });

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
      profile_overlay: '',
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
    ).toThrow(/hardware\.profile: .*raspberry-pi-5,.* \(environment TWOWATT_HARDWARE__PROFILE\)/);
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
