import type { Clock } from '../../core/index.ts';
import type { ConnectionEnd } from './connection.ts';

export type ProtocolChoice = {
  next(): 4 | 5;
  accepted(): void;
  /** True when the other version is worth an attempt without delay. */
  failed(suspicion: ConnectionEnd['suspectsProtocol']): boolean;
};

/** A broker may have been upgraded; a connection made after this time begins with MQTT 5 again. */
const RETRY_NEWER_MS = 600_000;
/** A broker that starts up may hang up without a word as well, so once is not enough. */
const SILENT_REFUSALS = 3;

/**
 * MQTT 5 first. A broker that refuses the version (CONNACK 1 or 0x84), or hangs up on CONNECT again
 * and again, gets 3.1.1.
 */
export function createProtocolChoice(wanted: 'auto' | 4 | 5, clock: Clock): ProtocolChoice {
  if (wanted !== 'auto') {
    return { next: () => wanted, accepted() {}, failed: () => false };
  }
  let current: 4 | 5 = 5;
  let fellBackAt = 0;
  let silent = 0;
  return {
    next() {
      if (current === 4 && clock.monotonicMs() - fellBackAt > RETRY_NEWER_MS) current = 5;
      return current;
    },
    accepted() {
      silent = 0;
    },
    failed(suspicion) {
      if (suspicion === undefined) return false;
      if (suspicion === 'silent') {
        silent += 1;
        if (silent < SILENT_REFUSALS) return false;
      }
      silent = 0;
      current = current === 5 ? 4 : 5;
      fellBackAt = clock.monotonicMs();
      return current === 4;
    },
  };
}
