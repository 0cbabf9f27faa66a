import { describe, expect, it } from 'vitest';
import { BOARD_FIELD_NAMES } from '../../../src/fleet/web/lib/fields.ts';
import { fulfils, readQuery } from '../../../src/fleet/web/lib/query.ts';
import type { Board } from '../../../src/fleet/web/lib/rows.ts';
import { calm } from './boards.ts';

const matches = (text: string, board: Board): boolean =>
  fulfils(
    board,
    readQuery(text, (name) => BOARD_FIELD_NAMES.has(name)),
  );

const board = calm({
  node: 'pi-7',
  soc_c: 81,
  queue_depth: 4,
  pools: ['Lab', 'night'],
  profile: 'raspberry-pi-5',
  version: '0.2.0',
  joules_per_token: null,
});

describe('the search', () => {
  it('finds words in names, pools, profiles and versions', () => {
    for (const text of ['', '  ', 'PI-7', 'lab', 'raspberry 0.2', 'ready']) {
      expect(matches(text, board), text).toBe(true);
    }
    expect(matches('pi-7 jetson', board)).toBe(false);
  });

  it('compares fields', () => {
    for (const text of ['soc_c>80', 'soc_c>=81', 'temp<82', 'queue=4', 'version!=0.1.0']) {
      expect(matches(text, board), text).toBe(true);
    }
    for (const text of ['soc_c>81', 'soc_c<=80', 'queue_depth!=4']) {
      expect(matches(text, board), text).toBe(false);
    }
  });

  it('looks into lists', () => {
    expect(matches('pool=lab', board)).toBe(true);
    expect(matches('pool=la', board)).toBe(false);
    expect(matches('pools!=lab', board)).toBe(false);
  });

  it('turns a term around with a minus', () => {
    expect(matches('-offline', board)).toBe(true);
    expect(matches('-lab', board)).toBe(false);
    expect(matches('-soc_c>90', board)).toBe(true);
    expect(matches('-', board)).toBe(true);
  });

  it('finds nothing in what is not known', () => {
    expect(matches('joules_per_token<1', board)).toBe(false);
    expect(matches('joules_per_token!=1', board)).toBe(false);
  });

  it('takes a comparison of no field for a word', () => {
    expect(matches('http://x', board)).toBe(false);
    expect(matches('a>b', calm({ node: 'a>b' }))).toBe(true);
  });
});
