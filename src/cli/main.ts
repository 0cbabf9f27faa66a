import { EXIT } from './common.ts';
import { runCommandLine } from './program.ts';

// A reader that goes away early (`twowatt … | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? (process.exitCode ?? EXIT.ok) : EXIT.failed);
});

// Commands with something to tidy up listen for themselves; the others simply end.
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(EXIT.interrupted);
});

await runCommandLine(process.argv.slice(2));
