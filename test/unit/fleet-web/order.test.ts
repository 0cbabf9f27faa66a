import { describe, expect, it } from 'vitest';
import { linesOf, sortBoards, sumOf } from '../../../src/fleet/web/lib/order.ts';
import { calm } from './boards.ts';

const names = (boards: { node: string }[]): string[] => boards.map(({ node }) => node);

describe('the order of boards', () => {
  it('counts numbers in names', () => {
    const boards = ['pi-10', 'pi-9', 'pi-1'].map((node) => calm({ node }));
    expect(names(sortBoards([...boards], { key: 'node', descending: false }))).toEqual([
      'pi-1',
      'pi-9',
      'pi-10',
    ]);
    expect(names(sortBoards([...boards], { key: 'node', descending: true }))).toEqual([
      'pi-10',
      'pi-9',
      'pi-1',
    ]);
  });

  it('puts the unknown last, both ways', () => {
    const boards = [
      calm({ node: 'a', soc_c: null }),
      calm({ node: 'b', soc_c: 50 }),
      calm({ node: 'c', soc_c: 70 }),
    ];
    expect(names(sortBoards([...boards], { key: 'soc_c', descending: false }))).toEqual([
      'b',
      'c',
      'a',
    ]);
    expect(names(sortBoards([...boards], { key: 'soc_c', descending: true }))).toEqual([
      'c',
      'b',
      'a',
    ]);
  });

  it('sorts states by how bad they are', () => {
    const boards = [
      calm({ node: 'a' }),
      calm({ node: 'b', governor: 'hot' }),
      calm({ node: 'c', status: 'offline' }),
    ];
    expect(names(sortBoards(boards, { key: 'look', descending: false }))).toEqual(['c', 'b', 'a']);
  });

  it('keeps equal ones in the order of their names, so that rows do not jump', () => {
    const boards = ['c', 'a', 'b'].map((node) => calm({ node, soc_c: 50 }));
    for (const descending of [true, false]) {
      expect(names(sortBoards([...boards], { key: 'soc_c', descending }))).toEqual(['a', 'b', 'c']);
    }
  });
});

describe('groups', () => {
  const boards = [
    calm({ node: 'a', pools: ['lab'], watts: 1, soc_c: 40, engine: 'busy', tokens_per_s: 5 }),
    calm({ node: 'b', pools: [], watts: null }),
    calm({ node: 'c', pools: ['lab'], status: 'offline', watts: 9, soc_c: 99 }),
  ];

  it('have a head with what its boards add up to, and fold', () => {
    const lines = linesOf(boards, 'pool', new Set());
    expect(
      lines.map((line) => (line.kind === 'group' ? `[${line.name}]` : line.board.node)),
    ).toEqual(['[]', 'b', '[lab]', 'a', 'c']);
    const folded = linesOf(boards, 'pool', new Set(['lab']));
    expect(folded).toHaveLength(3);
  });

  it('do not add the last words of boards that are away', () => {
    expect(sumOf(boards)).toEqual({
      boards: 3,
      watts: 1,
      tokens_per_s: 5,
      hottest_c: Math.max(40, boards[1]?.soc_c ?? 0),
      queue: (boards[0]?.queue_depth ?? 0) + (boards[1]?.queue_depth ?? 0),
      troubled: 1,
    });
  });
});
