import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger } from '../../../src/core/index.ts';
import {
  bundledFault,
  bundledModelFolder,
  findGateFit,
  parseGateFit,
} from '../../../src/model/index.ts';
import { GATE_FILE, type GateFit } from '../../../src/protocol/index.ts';

const bundled = JSON.parse(readFileSync(join(bundledModelFolder(), GATE_FILE), 'utf8')) as GateFit;
const build = { sourceDigest: bundled.sourceDigest, form: bundled.form };

let scratch: string;
let warnings: string[];
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-gate-file-'));
  warnings = [];
});
afterEach(() => rmSync(scratch, { recursive: true }));

const logger: Logger = {
  debug() {},
  info() {},
  warn: (_fields, message) => void warnings.push(message),
  error() {},
  child: () => logger,
};

function folderWith(name: string, content: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, GATE_FILE), content);
  return folder;
}

describe('findGateFit', () => {
  it('takes the first folder that has one for the build, in silence', () => {
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    const own = folderWith('own', JSON.stringify({ ...bundled, scored: null }));
    expect(findGateFit([empty, own, bundledModelFolder()], build, logger)?.scored).toBeNull();
    expect(findGateFit([empty, bundledModelFolder()], build, logger)).toEqual(bundled);
    expect(findGateFit([empty, join(scratch, 'absent')], build, logger)).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('passes over a gate of another build, and says so', () => {
    const folders = [bundledModelFolder()];
    expect(findGateFit(folders, { ...build, sourceDigest: 'f'.repeat(64) }, logger)).toBeNull();
    expect(findGateFit(folders, { ...build, form: 'fp32' }, logger)).toBeNull();
    expect(warnings).toEqual([
      expect.stringContaining('another build'),
      expect.stringContaining('another build'),
    ]);
  });

  it('passes over one that cannot be read or is not valid, and names what is wrong', () => {
    const negative = structuredClone(bundled);
    (negative.unscored.final[0] as GateFit['unscored']['final'][number]).weights.margin = -1;
    const bad = [
      folderWith('broken', '{"format":1'),
      folderWith('list', '[]'),
      folderWith('negative', JSON.stringify(negative)),
    ];
    expect(findGateFit([...bad, bundledModelFolder()], build, logger)).toEqual(bundled);
    expect(warnings).toHaveLength(3);
    expect(warnings[2]).toContain('unscored.final.0.weights.margin');
  });

  it('refuses points that are out of order, and bars beyond 1', () => {
    const [first, second] = bundled.unscored.early;
    const early = (points: unknown[]) => ({
      ...bundled,
      unscored: { ...bundled.unscored, early: points },
    });
    expect(() => parseGateFit(early([second, first]))).toThrow(/rising order/);
    expect(() => parseGateFit(early([{ ...first, escalateBelow: 1.5 }]))).toThrow(/escalateBelow/);
    expect(parseGateFit(early([]))).toMatchObject({ unscored: { early: [] } });
  });
});

describe('the bundled model', () => {
  it('is known to be changed when its digest is not the one that was shipped', () => {
    expect(bundledFault(build)).toBeUndefined();
    expect(bundledFault({ sourceDigest: '0'.repeat(64) })).toMatchObject({ fault: 'corrupt' });
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    expect(bundledFault({ sourceDigest: '0'.repeat(64) }, empty)).toBeUndefined();
  });
});
