import { describe, expect, it } from 'vitest';
import { BOARD_COLUMNS } from '../../../src/protocol/fleet/index.ts';
import { BOARD_FIELD_NAMES } from '../../../src/fleet/web/lib/fields.ts';
import { createRowReader } from '../../../src/fleet/web/lib/rows.ts';
import { calm } from './boards.ts';

describe('how a board is shown', () => {
  it('tells the worst first', () => {
    expect(calm().look).toBe('ready');
    expect(calm({ engine: 'busy' }).look).toBe('busy');
    expect(calm({ engine: 'busy', governor: 'pacing' }).look).toBe('pacing');
    expect(calm({ governor: 'paused' }).look).toBe('paused');
    expect(calm({ status: 'draining', engine: 'busy' }).look).toBe('draining');
    expect(calm({ severity: 'warning', status: 'draining' }).look).toBe('warning');
    expect(calm({ under_voltage: true, severity: 'warning' }).look).toBe('throttled');
    expect(calm({ governor: 'hot', throttled: true }).look).toBe('hot');
    expect(calm({ severity: 'error', governor: 'hot' }).look).toBe('failing');
    expect(calm({ engine: 'unavailable' }).look).toBe('failing');
  });

  it('does not call a board hot that is not there', () => {
    expect(calm({ status: 'offline', governor: 'hot' }).look).toBe('offline');
    expect(calm({ status: 'stale', severity: 'error' }).look).toBe('stale');
  });

  it('is a note only for notes', () => {
    expect(calm({ severity: 'info', health: ['power_estimated'] }).look).toBe('ready');
  });
});

describe('what is derived from a row', () => {
  it('is unknown where its parts are', () => {
    expect(calm({ watts: null }).watts_ratio).toBeNull();
    expect(calm({ budget_w: 0, watts: 1 }).watts_ratio).toBeNull();
    expect(calm({ edge_total: 0, cloud_total: 0 }).cloud_share).toBeNull();
    expect(calm({ edge_total: 3, cloud_total: 1 }).cloud_share).toBe(0.25);
    expect(calm({ watts: 3, budget_w: 2 }).watts_ratio).toBe(1.5);
  });
});

it('columns are read by their names, whatever their order', () => {
  const board = createRowReader(['budget_w', 'node', 'watts', 'status'])([2, 'pi', 1, 'online']);
  expect(board).toMatchObject({ node: 'pi', watts: 1, budget_w: 2, watts_ratio: 0.5 });
});

it('every column of the protocol can be searched for', () => {
  expect(BOARD_COLUMNS.filter((name) => !BOARD_FIELD_NAMES.has(name))).toEqual([]);
});
