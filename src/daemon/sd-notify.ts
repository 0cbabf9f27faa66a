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
 * Feeds the watchdog, but only when `healthy` says at that moment that the work made progress since
 * the last feed or is rightly idle. A timer alone would also feed it for a daemon that is stuck.
 */
export function createWatchdogFeeder(options: {
  usec: number;
  healthy: () => boolean;
  clock: Clock;
  notify: (fields: { WATCHDOG: 1 }) => void;
}): { stop(): void } {
  const periodMs = Math.max(1, Math.floor(options.usec / 1000 / CHANCES_PER_PERIOD));
  const feed = () => {
    if (options.healthy()) options.notify({ WATCHDOG: 1 });
  };
  feed();
  const timer = options.clock.setRepeating(periodMs, feed);
  return { stop: () => timer.cancel() };
}

/**
 * Turns a work counter into the watchdog's question: true when there is nothing to do, or when the
 * counter moved since it was last true.
 */
export function progressSinceLastAsked(work: {
  /** Grows, or changes, with every piece of work done (a token, a prefill chunk, a stored answer). */
  progress: () => number;
  /** True while nothing that could move is waiting. */
  idle: () => boolean;
}): () => boolean {
  let seen: number | undefined;
  return () => {
    const now = work.progress();
    if (now === seen && !work.idle()) return false;
    seen = now;
    return true;
  };
}
