import { type Command, InvalidArgumentError } from 'commander';
import { readSecretFile } from '../config/index.ts';
import { type Clock, createSystemClock } from '../core/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { onSignals } from './interrupt.ts';
import { painter } from './terminal.ts';
import { after, emptyLook, type Look, type News, type Source } from './top/look.ts';
import type { LeaveReason } from './top/screen.ts';

type TopOptions = CommonOptions & {
  url?: string;
  broker?: string;
  node?: string;
  once?: boolean;
  timeout: number;
};

/** A quiet terminal must still show that the view is alive and how old its figures are. */
const KEEP_ALIVE_MS = 60_000;

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= 3600) return value;
  throw new InvalidArgumentError('expected a number of seconds from 1 to 3600.');
}

type Opening = { where: string; open: (onNews: (news: News) => void) => Promise<Source> };

/** How the board is reached: what was asked for, else the daemon of this machine. */
function wayTo(options: TopOptions, clock: Clock): Opening {
  const { broker, node, url } = options;
  if ((broker === undefined) !== (node === undefined)) {
    throw new CliError(EXIT.usage, '--broker URL and --node ID belong together');
  }
  if (broker !== undefined && node !== undefined) {
    if (url !== undefined) throw new CliError(EXIT.usage, 'either --url or --broker, not both');
    return {
      where: `${node} at ${broker}`,
      async open(onNews) {
        const { openMqttSource } = await import('./top/mqtt-source.ts');
        return openMqttSource({ common: options, broker, node, clock, onNews });
      },
    };
  }
  const { http } = loadConfigForCli(options).values;
  const host = http.host.includes(':') ? `[${http.host}]` : http.host;
  const where = url ?? `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${http.port}`;
  if (!URL.canParse(where) || !/^https?:/.test(where)) {
    throw new CliError(EXIT.usage, `--url: ${where} is no URL such as http://board:8470`);
  }
  const token =
    http.token_file === ''
      ? undefined
      : readSecretFile(http.token_file, { key: 'http.token_file', env: process.env });
  return {
    where,
    async open(onNews) {
      const { openHttpSource } = await import('./top/http-source.ts');
      return openHttpSource({ url: where, token, clock, onNews });
    },
  };
}

type Run = {
  opening: Opening;
  clock: Clock;
  /** Called after each piece of news; true ends the run. */
  onLook: (look: Look, news: News) => boolean;
  /** Milliseconds after which it is given up; null waits for ever. */
  timeoutMs: number | null;
  /** Called with the way to end the run. */
  begin?: (end: (reason: LeaveReason) => void) => void;
};

/** Follows the board until somebody ends it; resolves to how. */
async function follow(run: Run): Promise<LeaveReason | 'done' | 'timeout'> {
  const { clock, opening, timeoutMs } = run;
  const { promise, resolve: end } = Promise.withResolvers<LeaveReason | 'done' | 'timeout'>();
  let look = emptyLook(opening.where);
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], clock, () => end('interrupted'));
  // The clock's timers do not keep the process alive; this one does.
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
  const timer = timeoutMs === null ? undefined : clock.setTimer(timeoutMs, () => end('timeout'));
  let source: Source | undefined;
  try {
    source = await opening.open((news) => {
      look = after(look, news);
      if (run.onLook(look, news)) end('done');
    });
    run.begin?.(end);
    return await promise;
  } finally {
    timer?.cancel();
    clearInterval(alive);
    stopListening();
    await source?.close();
  }
}

async function showOnce(options: TopOptions, opening: Opening, clock: Clock): Promise<void> {
  let last: Look | undefined;
  const how = await follow({
    opening,
    clock,
    timeoutMs: options.timeout * 1000,
    onLook(look) {
      last = look;
      return look.telemetry !== null && look.state !== null;
    },
  });
  if (how === 'interrupted') throw new CliError(EXIT.interrupted, 'interrupted');
  if (last === undefined || last.telemetry === null) {
    const state = last?.state === 'offline' ? ' (it is offline)' : '';
    throw new CliError(
      EXIT.unreachable,
      `${opening.where} told nothing within ${options.timeout} s${state}`,
    );
  }
  const { telemetry, state, health, decisions } = last;
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ state, health, telemetry, decisions })}\n`);
    return;
  }
  const { paintLine, view } = await import('./top/view.ts');
  const columns = process.stdout.isTTY ? process.stdout.columns : 120;
  const paint = painter(process.stdout);
  for (const line of view(last, { columns, rows: 60 })) {
    process.stdout.write(`${paintLine(line, columns, paint).trimEnd()}\n`);
  }
}

/** One JSON object a line, for as long as somebody reads. */
async function stream(opening: Opening, clock: Clock): Promise<void> {
  const how = await follow({
    opening,
    clock,
    timeoutMs: null,
    onLook(_look, news) {
      process.stdout.write(`${JSON.stringify(news)}\n`);
      return false;
    },
    begin(end) {
      process.stdout.once('error', () => end('quit'));
    },
  });
  if (how === 'interrupted') process.exitCode = EXIT.interrupted;
}

async function live(opening: Opening, clock: Clock): Promise<void> {
  const [{ openScreen }, { view }] = await Promise.all([
    import('./top/screen.ts'),
    import('./top/view.ts'),
  ]);
  let look = emptyLook(opening.where);
  let screen: ReturnType<typeof openScreen> | undefined;
  try {
    const how = await follow({
      opening,
      clock,
      timeoutMs: null,
      onLook(now) {
        look = now;
        screen?.draw();
        return false;
      },
      begin(end) {
        screen = openScreen({
          input: process.stdin,
          output: process.stdout,
          lines: (size) => view(look, size, [{ text: 'q quits', format: 'dim' }]),
          onLeave: end,
        });
        screen.draw();
      },
    });
    if (how === 'interrupted') process.exitCode = EXIT.interrupted;
  } finally {
    screen?.close();
  }
}

async function top(options: TopOptions): Promise<void> {
  const clock = createSystemClock();
  const opening = wayTo(options, clock);
  // Without a terminal there is nothing to draw on.
  if (options.once === true || (options.json !== true && !process.stdout.isTTY)) {
    return showOnce(options, opening, clock);
  }
  return options.json === true ? stream(opening, clock) : live(opening, clock);
}

export function addTopCommand(program: Command): void {
  withCommonOptions(
    program
      .command('top')
      .description('live terminal view of a board')
      .option('--url <url>', "a board's HTTP address (default: as configured on this machine)")
      .option('--broker <url>', 'the broker of a board elsewhere, with --node')
      .option('--node <id>', 'the board')
      .option('--once', 'print it once and end')
      .option('--timeout <s>', 'how long --once waits for the board', seconds, 10),
  )
    .addHelpText(
      'after',
      `
Examples:
  twowatt top
  twowatt top --broker mqtt://gateway.local --node pi5-1a2b
  twowatt top --once --json | jq .telemetry.power
  twowatt top --json                             one line for each piece of news

q, Esc or Ctrl-C leave. The bearer token comes from http.token_file, the broker's password from
mqtt.password_file.`,
    )
    .action(action(top));
}
