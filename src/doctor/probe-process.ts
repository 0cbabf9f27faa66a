import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StartProbes } from './examine.ts';
import type { ProbeOptions, ProbeReply, ProbeRequest } from './probe-messages.ts';

/** Starts probe-main.ts for these options of the command line. */
export function probeProcesses(options: ProbeOptions): StartProbes {
  // Beside this file: .ts when running from the sources, .js when built.
  const main = fileURLToPath(
    new URL(`./probe-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  );
  return (names, { onOutcome, onEnd }) => {
    const child = fork(main, {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      serialization: 'advanced',
    });
    child.on('message', (message) => {
      const { name, outcome } = message as ProbeReply;
      onOutcome(name, outcome);
    });
    child.on('error', (error) => onEnd(error.message));
    child.on('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    child.send({ options, names } satisfies ProbeRequest, (error) => {
      if (error !== null) onEnd(error.message);
    });
    return {
      kill() {
        child.removeAllListeners('message');
        child.kill('SIGKILL');
        // One that hangs in the kernel does not even die; nobody shall wait for it.
        if (child.connected) child.disconnect();
        child.unref();
      },
    };
  };
}
