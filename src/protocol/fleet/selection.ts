import * as v from 'valibot';
import { BOARD_STATUSES } from './boards.ts';

const names = v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(128)));

/**
 * Which boards: those that fulfil every given part. `nodes` names them; the others compare with the row.
 * An empty object means every board where a rule takes it, and is refused for actions.
 */
export const nodeSelectionSchema = v.strictObject({
  nodes: v.optional(v.pipe(names, v.maxLength(20_000))),
  pools: v.optional(names),
  profiles: v.optional(names),
  versions: v.optional(names),
  models: v.optional(names),
  statuses: v.optional(v.array(v.picklist(BOARD_STATUSES))),
});
export type NodeSelection = v.InferOutput<typeof nodeSelectionSchema>;
