import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Clock, TimerHandle } from '../../core/index.ts';

/** Spawning the tool 50 times a second slowed decoding six-fold; twice a second is not noticed. */
const PERIOD_MS = 500;
/** It answers in about 5 ms; a firmware that is busy throttling may take much longer. */
const TIMEOUT_MS = 2_000;
/** After failures: a little later each time, up to this. */
const LONGEST_PAUSE_MS = 30_000;
/** Nobody asked for a sample for so long: the governor rests, so does the tool. */
const UNUSED_MS = 2_000;
/** `pmic_read_adc` prints about 1.5 kB. */
const MOST_OUTPUT_BYTES = 16_384;

export type FirmwareAnswer =
  /** `askedAtMs`: when the tool was started, so the values are no older than that. */
  { ok: true; text: string; askedAtMs: number } | { ok: false; reason: string };

/** Something asked of the firmware again and again. */
type Topic = {
  command: string;
  periodMs: number;
  dueMs: number;
  failures: number;
  /** The firmware does not know the command: asking again cannot help. */
  given_up: boolean;
  answer: FirmwareAnswer;
};

export interface Vcgencmd {
  /** Begins to ask for `command`, at most every `periodMs`; returns how to get the last answer. */
  watch(command: string, periodMs: number): () => FirmwareAnswer;
  /** True once the firmware said that it does not know this command. */
  unknown(command: string): boolean;
  /** Says that samples are wanted; without this for a while, nothing is started. */
  wanted(): void;
  close(): void;
}

const ERROR_FORM = /error=\d+\s+error_msg="([^"]{0,80})/;

/** What the tool printed as an answer: its own error form comes with exit status 0. */
export function judgeOutput(text: string, askedAtMs: number): FirmwareAnswer {
  const error = ERROR_FORM.exec(text);
  if (error !== null) return { ok: false, reason: `vcgencmd: ${error[1] ?? 'error'}` };
  return { ok: true, text, askedAtMs };
}

/**
 * Raspberry Pi's firmware tool as an asynchronous child process: never more than one at a time, never
 * more than two a second, started by a timer and never by who reads the answers. One that hangs is
 * killed; until it is really gone, no other is started.
 */
export function createVcgencmd(options: { path: string; clock: Clock }): Vcgencmd {
  const { path, clock } = options;
  const topics: Topic[] = [];
  let child: ChildProcess | undefined;
  let timeout: TimerHandle | undefined;
  let wantedAtMs = clock.monotonicMs();
  let closed = false;

  function settle(topic: Topic, answer: FirmwareAnswer): void {
    timeout?.cancel();
    topic.answer = answer;
    if (answer.ok) {
      topic.failures = 0;
      return;
    }
    topic.failures += 1;
    topic.given_up = /not registered|not implemented/i.test(answer.reason);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, topic.periodMs * 2 ** Math.min(10, topic.failures));
    topic.dueMs = clock.monotonicMs() + pauseMs;
  }

  function start(topic: Topic): void {
    const askedAtMs = clock.monotonicMs();
    topic.dueMs = askedAtMs + topic.periodMs;
    let open = true;
    let text = '';
    const finish = (answer: FirmwareAnswer) => {
      if (open && !closed) settle(topic, answer);
      open = false;
    };
    const started = spawn(path, [topic.command], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    });
    child = started;
    started.stdout.setEncoding('utf8');
    started.stdout.on('data', (chunk: string) => {
      text += chunk;
      if (text.length <= MOST_OUTPUT_BYTES) return;
      finish({ ok: false, reason: 'vcgencmd: printed far more than an answer' });
      started.kill('SIGKILL');
    });
    // A pipe that breaks says nothing that the exit does not say.
    started.stdout.on('error', () => undefined);
    started.on('error', (error) => {
      child = undefined;
      finish({ ok: false, reason: `vcgencmd: ${error.message}` });
    });
    started.on('exit', () => {
      child = undefined;
    });
    started.on('close', (code, signal) => {
      if (code === 0) finish(judgeOutput(text, askedAtMs));
      else finish({ ok: false, reason: `vcgencmd: ended with ${signal ?? `status ${code}`}` });
    });
    timeout = clock.setTimer(TIMEOUT_MS, () => {
      finish({ ok: false, reason: `vcgencmd: no answer within ${TIMEOUT_MS} ms` });
      started.stdout.destroy();
      started.kill('SIGKILL');
    });
  }

  function tick(): void {
    const nowMs = clock.monotonicMs();
    if (child !== undefined || nowMs - wantedAtMs > UNUSED_MS) return;
    let next: Topic | undefined;
    for (const topic of topics) {
      // The one that waits longest, so that none starves.
      const due = !topic.given_up && topic.dueMs <= nowMs;
      if (due && topic.dueMs < (next?.dueMs ?? Infinity)) next = topic;
    }
    if (next === undefined) return;
    try {
      start(next);
    } catch (error) {
      settle(next, { ok: false, reason: `vcgencmd: ${String(error)}` });
    }
  }

  const ticking = clock.setRepeating(PERIOD_MS, tick);
  return {
    watch(command, periodMs) {
      const topic: Topic = {
        command,
        periodMs: Math.max(PERIOD_MS, periodMs),
        dueMs: 0,
        failures: 0,
        given_up: false,
        answer: { ok: false, reason: 'vcgencmd: no answer yet' },
      };
      topics.push(topic);
      return () => topic.answer;
    },
    unknown: (command) => topics.some((topic) => topic.command === command && topic.given_up),
    wanted() {
      wantedAtMs = clock.monotonicMs();
    },
    close() {
      closed = true;
      ticking.cancel();
      timeout?.cancel();
      child?.stdout?.destroy();
      child?.kill('SIGKILL');
    },
  };
}

/** True when the tool is there and may be run. */
export function canRun(path: string): boolean {
  if (path === '') return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
