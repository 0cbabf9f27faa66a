import type { Command } from 'commander';
import { TwowattError } from '../core/index.ts';
import { action } from './common.ts';

/** Verbs of the contract whose feature is not in this version; the next ones bring them. */
export const LATER_COMMANDS = {
  bench: 'tokens/s, J/token, memory and start-up time',
  top: 'live terminal view of a board',
  service: 'install as a service of systemd or pm2',
} as const;

/** They answer in one clear line, so that a script can tell "not yet" from "broken". */
export function addLaterCommands(program: Command): void {
  for (const [name, about] of Object.entries(LATER_COMMANDS)) {
    program
      .command(name)
      .description(`${about} (comes with a later version)`)
      .argument('[arguments...]')
      .usage('')
      .allowUnknownOption()
      .action(
        action(() => {
          throw new TwowattError('unsupported', `\`twowatt ${name}\` comes with a later version`);
        }),
      );
  }
}
