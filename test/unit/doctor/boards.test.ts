import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Finding, report } from '../../../src/doctor/index.ts';
import { fixtureBoards } from '../../fixtures/sysfs/materialise.ts';
import { layOutBoard, look } from './looks.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'twowatt-doctor-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Every plain file below a folder with its content and the time of its last change; links are not followed. */
function tree(path: string, into: string[] = []): string[] {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const file = join(path, entry.name);
    if (entry.isDirectory()) tree(file, into);
    const content = entry.isFile()
      ? `${statSync(file).mtimeMs} ${readFileSync(file, 'base64')}`
      : 'no file';
    into.push(`${file} ${content}`);
  }
  return into.sort();
}

const line = (findings: readonly Finding[], id: string): string => {
  const found = findings.find((finding) => finding.id === id);
  return found === undefined ? 'absent' : `${found.status} ${found.detail}`;
};

type Row = {
  profile: RegExp;
  power: RegExp;
  temperature: RegExp;
  throttling: RegExp;
  clock: RegExp;
};

const EXPECTED: Record<string, Row> = {
  'raspberry-pi-5': {
    profile: /^ok raspberry-pi-5 /,
    power: /^ok pi-pmic: board 1\.63 W; .*VDD_CORE 0\.43 W/,
    temperature: /^ok cpu-thermal\* 48\.9 °C/,
    throttling: /^ok pi-throttled, rpi_volt: nothing now, nothing since boot/,
    clock: /^ok policy0 1\.50 GHz of at most 2\.40 GHz \(10 steps\)/,
  },
  'raspberry-pi-4b': {
    profile: /^ok raspberry-pi-4b /,
    power: /^note no power sensor/,
    temperature: /^ok cpu-thermal\* 51\.6 °C/,
    throttling: /^(ok|note|warn) pi-throttled/,
    clock: /^ok policy0 0\.60 GHz/,
  },
  'raspberry-pi-3b-plus': {
    profile: /^ok raspberry-pi-3b-plus /,
    power: /^note no power sensor/,
    temperature: /^ok .*\* 56\.9 °C/,
    throttling: /pi-throttled/,
    clock: /^ok policy0/,
  },
  'raspberry-pi-cm4': {
    profile: /^ok raspberry-pi-cm4 /,
    power: /^ok ina2xx: board 2\.24 W/,
    temperature: /^ok .*\* 44\.3 °C/,
    throttling: /pi-throttled|rpi_volt/,
    clock: /^ok policy0/,
  },
  'raspberry-pi-zero-2-w': {
    profile: /^warn raspberry-pi-zero-2-w .*does not fit/,
    power: /^note no power sensor/,
    temperature: /^ok .*\* 46\.2 °C/,
    throttling: /pi-throttled|nothing on this board/,
    clock: /^ok policy0/,
  },
  'jetson-orin-nano': {
    profile: /^ok jetson-orin-nano /,
    power: /^ok ina3221: board 2\.47 W; .*VDD_IN 2\.47 W/,
    temperature: /^ok .*\* /,
    throttling: /soctherm_oc/,
    clock: /^ok policy0 .*policy4/,
  },
  'jetson-orin-nx': {
    profile: /^ok jetson-orin-nx /,
    power: /^ok ina3221: board 5\.09 W|^ok ina3221: board 5\.10 W/,
    temperature: /^ok /,
    throttling: /soctherm_oc/,
    clock: /^ok /,
  },
  'jetson-agx-orin': {
    profile: /^ok jetson-agx-orin /,
    power: /^ok ina3221: board 7\.72 W/,
    temperature: /^ok /,
    throttling: /soctherm_oc/,
    clock: /^ok /,
  },
  'jetson-xavier-nx': {
    profile: /^ok jetson-xavier-nx /,
    power: /^ok ina3221: board (3\.99|4\.00) W/,
    temperature: /^ok /,
    throttling: /./,
    clock: /^ok /,
  },
  'jetson-nano': {
    profile: /^ok jetson-nano /,
    power: /^ok ina3221: board 1\.98 W/,
    temperature: /^ok /,
    throttling: /./,
    clock: /^ok /,
  },
  'orange-pi-5': {
    profile: /^ok rk3588 /,
    power: /^note no power sensor/,
    temperature: /^ok .*42\.5 °C/,
    throttling: /^note nothing on this board/,
    clock: /^ok policy0 .*policy4 .*policy6/,
  },
  'x86-rapl': {
    profile: /^note generic-x86-64 .*typical board/,
    power: /rapl/,
    temperature: /^ok .*43\.0 °C/,
    throttling: /^note nothing on this board/,
    clock: /^ok policy0/,
  },
};

describe('every board of the fixtures', () => {
  it('has an expectation', () => {
    expect(fixtureBoards()).toEqual(Object.keys(EXPECTED).sort());
  });

  it.each(Object.entries(EXPECTED))('%s is described, and left as it was', async (board, row) => {
    const { settings } = layOutBoard(board, folder);
    const before = tree(folder);
    const outcomes = await look(['config', 'system', 'storage', 'board', 'model', 'governor'], {
      set: settings,
      homeFolder: folder,
    });
    const { findings } = report(outcomes, 0);
    expect(line(findings, 'board.model')).toMatch(/^(ok|note) /);
    expect(line(findings, 'board.profile')).toMatch(row.profile);
    expect(line(findings, 'board.power')).toMatch(row.power);
    expect(line(findings, 'board.temperature')).toMatch(row.temperature);
    expect(line(findings, 'board.throttling')).toMatch(row.throttling);
    expect(line(findings, 'board.clock')).toMatch(row.clock);
    expect(line(findings, 'governor.limits')).toMatch(/^ok 2 W above_idle/);
    expect(line(findings, 'model.found')).toMatch(/^note .*not converted yet/);
    expect(tree(folder)).toEqual(before);
  });
});
