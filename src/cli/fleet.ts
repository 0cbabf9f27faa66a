import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { brokerCredentials } from '../config/index.ts';
import { createSystemClock, silentLogger } from '../core/index.ts';
import type { Role } from '../protocol/fleet/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { simulate } from './fleet-simulate.ts';
import { onSignals } from './interrupt.ts';
import { readableLog } from './log-format.ts';
import { readPassword } from './password.ts';
import { alignColumns } from './table.ts';

/** V8 lets garbage pile up where memory is plenty; ten thousand boards should fit into 400 MB. */
const SERVER_FLAGS = ['--optimize-for-size', '--max-semi-space-size=4'];

async function serve(options: CommonOptions): Promise<void> {
  for (const flag of SERVER_FLAGS) setFlagsFromString(flag);
  const config = loadConfigForCli(options);
  const clock = createSystemClock();
  const { createLogger } = await import('../daemon/index.ts');
  const logger = createLogger({
    level: config.values.log.level,
    ...(process.stdout.isTTY ? { destination: readableLog(process.stdout) } : {}),
  });
  const { promise: stop, resolve: requestStop } = Promise.withResolvers<void>();
  let asked = false;
  const unhook = onSignals(['SIGTERM', 'SIGINT', 'SIGHUP'], clock, () => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    requestStop();
  });
  const { startFleet } = await import('../fleet/index.ts');
  const server = await startFleet({ config: config.values, clock, logger, env: process.env });
  logger.info({ url: server.url }, `the fleet is at ${server.url}`);
  process.send?.('ready');
  await stop;
  logger.info({}, 'stopping: storing what was received');
  await server.close();
  unhook();
  if (process.connected) process.disconnect();
}

/** Runs `body` with the users of the store that the configuration names. */
async function withAccounts<T>(
  options: CommonOptions,
  body: (accounts: import('../fleet/index.ts').Accounts) => Promise<T>,
): Promise<T> {
  const config = loadConfigForCli(options);
  const clock = createSystemClock();
  const { createAccounts, openStore } = await import('../fleet/index.ts');
  const store = await openStore(config.values.fleet.store, silentLogger, () => clock.wallMs());
  try {
    return await body(createAccounts(store, clock));
  } finally {
    await store.close();
  }
}

const LEAST_PASSWORD = 10;

async function newPassword(): Promise<string> {
  const password = await readPassword('Password: ');
  if (password.length >= LEAST_PASSWORD) return password;
  throw new CliError(EXIT.usage, `a password has at least ${LEAST_PASSWORD} characters`);
}

async function addUser(name: string, options: CommonOptions & { role: string }): Promise<void> {
  if (!/^[A-Za-z0-9._@-]{1,64}$/.test(name)) {
    throw new CliError(EXIT.usage, 'a user name is 1 to 64 of A-Z a-z 0-9 . _ @ -');
  }
  if (!['viewer', 'operator', 'admin'].includes(options.role)) {
    throw new CliError(EXIT.usage, '--role: expected viewer, operator or admin');
  }
  const password = await newPassword();
  const user = await withAccounts(options, (all) => all.add(name, options.role as Role, password));
  process.stdout.write(
    options.json ? `${JSON.stringify(user)}\n` : `${user.name} may log in as ${user.role}\n`,
  );
}

async function changePassword(name: string, options: CommonOptions): Promise<void> {
  const password = await newPassword();
  await withAccounts(options, (all) => all.change(name, { password }));
  process.stdout.write(options.json ? '{}\n' : `${name} has a new password; sessions are ended\n`);
}

async function removeUser(name: string, options: CommonOptions): Promise<void> {
  if (!(await withAccounts(options, (all) => all.remove(name)))) {
    throw new CliError(EXIT.failed, `there is no user ${name}`);
  }
  process.stdout.write(options.json ? '{}\n' : `${name} is gone\n`);
}

async function listUsers(options: CommonOptions): Promise<void> {
  const users = await withAccounts(options, (all) => all.users());
  if (options.json) process.stdout.write(`${JSON.stringify(users, null, 2)}\n`);
  else if (users.length === 0) process.stdout.write('no users: the page is read-only\n');
  else {
    const rows = users.map(({ name, role, last_login_ms: last }) => [
      name,
      role,
      last === null ? 'never logged in' : `last login ${new Date(last).toISOString()}`,
    ]);
    process.stdout.write(alignColumns(rows));
  }
}

function addUserCommands(fleet: Command): void {
  const user = fleet.command('user').description('who may log in to the dashboard');
  withCommonOptions(
    user
      .command('add')
      .argument('<name>')
      .option('--role <role>', 'viewer, operator or admin', 'viewer')
      .description('a new user; the password is asked for, or read from a pipe'),
  ).action(action(addUser));
  withCommonOptions(
    user.command('password').argument('<name>').description('a new password for a user'),
  ).action(action(changePassword));
  withCommonOptions(user.command('remove').argument('<name>').description('deletes a user')).action(
    action(removeUser),
  );
  withCommonOptions(user.command('list').description('users and their roles')).action(
    action(listUsers),
  );
}

export function addFleetCommand(program: Command): void {
  const fleet = program
    .command('fleet')
    .description('many boards: dashboard, users, simulated boards');
  withCommonOptions(fleet.command('serve').description('the dashboard of all boards on a broker'), {
    json: false,
  })
    .addHelpText(
      'after',
      `
Examples:
  twowatt fleet serve --set mqtt.url=mqtt://broker.local:1883
  twowatt fleet user add ada --role admin          before anything can be changed
  twowatt fleet serve --set fleet.store=postgres://twowatt@db/fleet --set fleet.share=fleet`,
    )
    .action(action(serve));
  withCommonOptions(
    fleet
      .command('simulate')
      .description('virtual boards that speak the real protocol')
      .option('--boards <n>', 'how many', '100')
      .option('--rate <s>', 'seconds between the reports of a board', '10')
      .option(
        '--faults <kind>',
        'none, some (boards fail now and then) or storm (a fifth at once)',
        'none',
      )
      .option('--days <n>', 'begin so many days ago', '0')
      .option('--compress <n>', 'let the boards’ time run so many times as fast, until now', '1')
      .option('--from <n>', 'number of the first board, to share a fleet between processes', '1')
      .option('--prefix <name>', 'first part of the node ids', 'sim')
      .option('--keepalive <s>', 'keepalive of each connection', '60')
      .option('--connect-rate <n>', 'connections opened per second', '500')
      .option('--seed <n>', 'the same seed makes the same boards', '1')
      .option('--for <s>', 'end after so many seconds'),
  )
    .addHelpText(
      'after',
      `
Each board has a connection of its own, so that Last Wills are real: \`ulimit -n\` bounds their number.

Examples:
  twowatt fleet simulate --boards 1000 --set mqtt.url=mqtt://127.0.0.1:1883
  twowatt fleet simulate --boards 50 --days 7 --compress 2000 --faults some`,
    )
    .action(
      action((options: Parameters<typeof simulate>[0]) => {
        const config = loadConfigForCli(options);
        return simulate(options, {
          url: config.values.mqtt.url,
          base: config.values.mqtt.base_topic,
          ...brokerCredentials(config.values.mqtt, process.env),
        });
      }),
    );
  addUserCommands(fleet);
}
