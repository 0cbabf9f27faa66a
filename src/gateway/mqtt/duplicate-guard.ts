import type { Clock, TimerHandle } from '../../core/index.ts';
import type { StateMessage } from '../../protocol/index.ts';

export type DuplicateGuard = {
  /** The broker said that another client took our session (MQTT 5, reason 0x8E). */
  takenOver(): void;
  /** A broker has acknowledged our own state: from now on the retained one should be ours. */
  established(): void;
  /** A message on our own state topic. */
  stateSeen(message: StateMessage, retained: boolean): void;
  active(): boolean;
  stop(): void;
};

/** Longer than the longest wait between two attempts of the other node to come back (60 s). */
const QUIET_MS = 180_000;
/** A retained stranger counts when it shows up again within this time. */
const REPEAT_MS = 300_000;

/**
 * Notices a second live node of our id. Both have one client id, so a broker throws the one out when
 * the other comes: they are never connected together, and the signs differ in strength.
 *
 * - 0x8E, or another instance that says `online` or `draining` while we listen: proof at once.
 * - Another instance in the retained state after ours was accepted: somebody wrote it in between.
 *   A broker that was restored from an old snapshot shows one as well, so it takes two.
 * - A stranger's `offline` that we see live is the late Last Will of our own last run: no sign.
 */
export function createDuplicateGuard(options: {
  instance: string;
  clock: Clock;
  onDuplicate: (detail: string) => void;
  onGone: () => void;
}): DuplicateGuard {
  const { instance, clock } = options;
  let ours = false;
  let active = false;
  let lastRetainedStranger: number | undefined;
  let quiet: TimerHandle | undefined;

  const sign = (detail: string) => {
    quiet?.cancel();
    quiet = clock.setTimer(QUIET_MS, () => {
      active = false;
      lastRetainedStranger = undefined;
      options.onGone();
    });
    if (active) return;
    active = true;
    options.onDuplicate(detail);
  };

  return {
    takenOver: () => sign('the broker gave our session to another client with our node id'),
    established() {
      ours = true;
    },
    stateSeen(message, retained) {
      if (!ours || message.instance === instance) return;
      const who = `another twowatt (instance ${message.instance}) uses our node id`;
      if (!retained) {
        if (message.state !== 'offline') sign(`${who} and is ${message.state}`);
        return;
      }
      const now = clock.monotonicMs();
      if (lastRetainedStranger !== undefined && now - lastRetainedStranger <= REPEAT_MS) sign(who);
      lastRetainedStranger = now;
    },
    active: () => active,
    stop() {
      quiet?.cancel();
    },
  };
}
