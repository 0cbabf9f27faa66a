import { join } from 'node:path';
import { silentLogger } from '../../../src/core/index.ts';
import { openActuators } from '../../../src/hardware/index.ts';

// Bounds the clocks of the board in a folder, says so, and stays until it is killed.
const folder = process.argv[2] ?? '';
const actuators = openActuators({
  sysfsRoot: join(folder, 'sys'),
  procRoot: join(folder, 'proc'),
  stateFolder: join(folder, 'state'),
  logger: silentLogger,
});
actuators.apply({ threads: 1, maxFreqKhz: 600_000 });
process.stdout.write('bounded\n');
setInterval(() => undefined, 1_000);
