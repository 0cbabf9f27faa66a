import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { FLEET_METRIC_NAMES } from '../../../src/fleet/server/metrics.ts';
import { FLEET_ROUTES } from '../../../src/protocol/fleet/index.ts';

const docs = readFileSync(resolve(import.meta.dirname, '../../../docs/fleet.md'), 'utf8');

it('docs/fleet.md and the code know the same routes', () => {
  const rows = [...docs.matchAll(/^\| `([A-Z]+ \/\S*)` \| (\w+) \| (.*) \|$/gm)];
  expect(Object.fromEntries(rows.map(([, route, role, does]) => [route, { role, does }]))).toEqual(
    FLEET_ROUTES,
  );
});

it('docs/fleet.md and the code know the same metrics', () => {
  const names = [...docs.matchAll(/`(twowatt_fleet_\w+)`/g)].map(([, name]) => name);
  expect(names).toEqual(FLEET_METRIC_NAMES);
});
