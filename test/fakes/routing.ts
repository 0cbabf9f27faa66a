import type { Cloud } from '../../src/cloud/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { type Clock, silentLogger } from '../../src/core/index.ts';
import { openAuditLog } from '../../src/daemon/audit-log.ts';
import { createShadow } from '../../src/daemon/shadow.ts';
import { createRouting } from '../../src/daemon/routing.ts';
import type { GateFit } from '../../src/protocol/index.ts';
import { auditRecord, gate } from '../../src/router/privacy/index.ts';

const ENDPOINT = { name: 'big', base_url: 'http://127.0.0.1:1/v1', model: 'ernie-big' };

/** The daemon's real routing over a configuration of defaults, with or without a (scripted) cloud. */
export function testRouting(options: {
  folder: string;
  clock: Clock;
  cloud?: Cloud;
  gateFit?: GateFit;
  /** `section.key=value` */
  set?: string[];
}) {
  const { folder, clock, cloud } = options;
  const config = loadConfig({
    env: {},
    homeFolder: folder,
    searchFiles: [],
    overlayPath: null,
    set: [
      `node.state_folder=${folder}`,
      ...(cloud === undefined ? [] : [`cloud.endpoints=${JSON.stringify([ENDPOINT])}`]),
      ...(options.set ?? []),
    ],
  }).values;
  const audit = openAuditLog(folder, silentLogger);
  const shadow = cloud === undefined ? () => {} : createShadow(cloud, clock, silentLogger);
  return createRouting({
    config: () => config,
    beyond: cloud === undefined ? null : { cloud, privacy: { gate, auditRecord, audit, shadow } },
    gateFit: () => options.gateFit ?? null,
    edgeModel: () => 'fake',
    clock,
    random: () => 0.5,
  });
}
