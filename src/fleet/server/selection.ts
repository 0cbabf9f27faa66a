import { boardColumns, type BoardRecord, type NodeSelection } from '../../protocol/fleet/index.ts';

const among = (wanted: readonly string[] | undefined, value: string | null): boolean =>
  wanted === undefined || (value !== null && wanted.includes(value));

/** Whether a board fulfils every part of a selection. `nodes` is looked up in a set made by the caller. */
export function createSelector(selection: NodeSelection): (board: BoardRecord) => boolean {
  const nodes = selection.nodes === undefined ? undefined : new Set(selection.nodes);
  const needsRow = selection.pools ?? selection.profiles ?? selection.versions ?? selection.models;
  return (board) => {
    if (nodes !== undefined && !nodes.has(board.node)) return false;
    if (selection.statuses !== undefined && !selection.statuses.includes(board.status))
      return false;
    if (needsRow === undefined) return true;
    const row = boardColumns(board);
    return (
      among(selection.profiles, row.profile) &&
      among(selection.versions, row.version) &&
      among(selection.models, row.model) &&
      (selection.pools === undefined || selection.pools.some((pool) => row.pools.includes(pool)))
    );
  };
}
