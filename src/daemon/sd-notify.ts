import type { Clock } from '../core/index.ts';

/**
 * The service manager's ear (sd_notify(3)): datagrams of `NAME=value` lines sent to the socket that
 * `NOTIFY_SOCKET` names. Sending never blocks and never throws: a daemon must not die because its
 * supervisor is busy.
 */
export interface ServiceNotifier {
  /** Sends one datagram; false when the manager could not be reached. */
  notify(fields: Readonly<Record<string, string | number>>): boolean;
  close(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

// Linux, the same numbers on x86-64 and arm64.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` holds 108 bytes; a path needs its closing NUL, an abstract name does not. */
const LONGEST_PATH_BYTES = 107;

/**
 * `struct sockaddr_un` for a path, or for an abstract name written with a leading `@`.
 * Undefined when the address is none that systemd would hand out.
 */
export function unixSocketAddress(path: string): Buffer | undefined {
  const abstract = path.startsWith('@');
  if (!abstract && !path.startsWith('/')) return undefined;
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length < 2 || name.length > LONGEST_PATH_BYTES + 1) return undefined;
  const family = Buffer.alloc(2);
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  return Buffer.concat([family, name]);
}

type Libc = {
  socket: (domain: number, type: number, protocol: number) => number;
  sendTo: (
    descriptor: number,
    data: Buffer,
    size: number,
    flags: number,
    address: Buffer,
    addressLength: number,
  ) => number;
  close: (descriptor: number) => number;
};

async function loadLibc(): Promise<Libc | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load('libc.so.6');
    return {
      socket: libc.func('int socket(int domain, int type, int protocol)'),
      sendTo: libc.func(
        'intptr_t sendto(int fd, const void *data, size_t size, int flags, const void *address, uint32_t length)',
      ),
      close: libc.func('int close(int fd)'),
    };
  } catch {
    return undefined;
  }
}

/**
 * Opens the way to the service manager. Undefined when none asked for notifications, or when libc
 * cannot be called here (the service then runs unsupervised, which a log line should say). The
 * foreign-function library is loaded only when it is needed: it costs memory.
 */
export async function openServiceNotifier(
  environment: Environment,
): Promise<ServiceNotifier | undefined> {
  const path = environment['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return undefined;
  const address = unixSocketAddress(path);
  if (address === undefined) return undefined;

  const libc = await loadLibc();
  if (libc === undefined) return undefined;
  const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return undefined;
  let open = true;
  return {
    notify(fields) {
      if (!open) return false;
      // A newline would start a new assignment, so values are kept to one line.
      const lines = Object.entries(fields).map(
        ([name, value]) => `${name}=${String(value).replaceAll(/[\n\0]+/g, ' ')}`,
      );
      const data = Buffer.from(lines.join('\n'));
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      return (
        libc.sendTo(descriptor, data, data.length, flags, address, address.length) === data.length
      );
    },
    close() {
      if (!open) return;
      open = false;
      libc.close(descriptor);
    },
  };
}

/**
 * How often the manager wants to hear of us, in microseconds (`WATCHDOG_USEC`); undefined when it
 * does not, or when the demand is addressed to another process (`WATCHDOG_PID`).
 */
export function watchdogUsec(environment: Environment, pid: number): number | undefined {
  const owner = environment['WATCHDOG_PID'];
  if (owner !== undefined && owner !== '' && Number(owner) !== pid) return undefined;
  const usec = Number(environment['WATCHDOG_USEC'] ?? '');
  return Number.isSafeInteger(usec) && usec > 0 ? usec : undefined;
}

/** Chances per watchdog period: sd_watchdog_enabled(3) recommends two at least. */
const CHANCES_PER_PERIOD = 3;

/**
 * Feeds the watchdog, but only when `stuck` names nothing at that moment: every part made progress since
 * the last feed or is rightly idle. A timer alone would also feed it for a daemon that is stuck.
 */
export function createWatchdogFeeder(options: {
  usec: number;
  stuck: () => readonly string[];
  clock: Clock;
  notify: (fields: { WATCHDOG: 1 }) => void;
  /** Told what keeps the watchdog hungry, at every chance. */
  onHungry?: (stuck: readonly string[]) => void;
}): { stop(): void } {
  const periodMs = Math.max(1, Math.floor(options.usec / 1000 / CHANCES_PER_PERIOD));
  const feed = () => {
    const stuck = options.stuck();
    if (stuck.length === 0) options.notify({ WATCHDOG: 1 });
    else options.onHungry?.(stuck);
  };
  feed();
  const timer = options.clock.setRepeating(periodMs, feed);
  return { stop: () => timer.cancel() };
}

/** A part of the daemon that should get on while it has something to do. */
export type WatchedWork = {
  name: string;
  /** Grows, or changes, with every piece of work done (a token, a stored answer, a decision). */
  progress: () => number;
  /** True while nothing waits that it could move, or while somebody else watches over what does. */
  idle: () => boolean;
};

/**
 * Turns work counters into the watchdog's question: the parts that have something to do and did not
 * move since they were last found well. None means healthy.
 */
export function stuckSinceLastAsked(parts: readonly WatchedWork[]): () => string[] {
  const seen = new Map<WatchedWork, number>();
  return () =>
    parts.flatMap((part) => {
      const now = part.progress();
      if (now === seen.get(part) && !part.idle()) return [part.name];
      seen.set(part, now);
      return [];
    });
}
