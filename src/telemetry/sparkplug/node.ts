import type { Clock, Logger } from '../../core/index.ts';
import type { Telemetry } from '../../protocol/index.ts';
import { BUDGET, DRAIN, nodeMetrics, type NodeFacts, REBIRTH } from './metrics.ts';
import { decodeCommand, encodePayload, type Metric, type MetricValue } from './payload.ts';

export type SparkplugMessage = { topic: string; payload: Buffer };

export type SparkplugCommand =
  | { name: 'budget'; watts: number }
  | { name: 'drain'; draining: boolean };

export type SparkplugNode = {
  /** The topic on which hosts command this node. */
  commandTopic: string;
  /** The will of the next connection: its death certificate. */
  nextDeath(): SparkplugMessage;
  /** The connection that was made with that will is up, and subscribed to commands. */
  opened(publish: (message: SparkplugMessage) => void): void;
  closed(): void;
  onMessage(payload: Buffer): void;
  /** Sends what has changed since the last message. */
  telemetry(telemetry: Telemetry): void;
};

/** Sequence numbers run from 0 to 255 and start again (specification 3.0, section 6.4.8). */
const SEQUENCE = 256;
const NAMESPACE = 'spBv1.0';

/**
 * One edge node. Its life with a host: NBIRTH with every metric and `seq` 0, NDATA with what has changed,
 * NDEATH as the will of the connection, tied to the birth by `bdSeq`.
 */
export function createSparkplugNode(options: {
  groupId: string;
  edgeNodeId: string;
  /** The birth/death sequence number of the last connection, of an earlier life too. */
  lastBdSeq: number;
  /** Called when a connection is up: the number must outlive a crash. */
  saveBdSeq: (bdSeq: number) => void;
  facts: () => NodeFacts;
  /** The last telemetry; null while there is none, and then the birth waits for it. */
  lastTelemetry: () => Telemetry | null;
  onCommand: (command: SparkplugCommand) => void;
  clock: Clock;
  logger: Logger;
}): SparkplugNode {
  const { groupId, edgeNodeId, facts, clock, logger } = options;
  const topic = (type: string) => `${NAMESPACE}/${groupId}/${type}/${edgeNodeId}`;
  let bdSeq = options.lastBdSeq;
  let nextSeq = 0;
  let publish: ((message: SparkplugMessage) => void) | undefined;
  /** What the host knows, by alias; undefined before the birth. */
  let known: MetricValue[] | undefined;

  const bdSeqMetric = (): Metric => ({ name: 'bdSeq', type: 'int64', value: bdSeq });
  const send = (type: 'NBIRTH' | 'NDATA', timestampMs: number, metrics: Metric[]) => {
    const payload = encodePayload({ timestampMs, metrics, seq: nextSeq });
    nextSeq = (nextSeq + 1) % SEQUENCE;
    publish?.({ topic: topic(type), payload });
  };

  const birth = (telemetry: Telemetry): void => {
    const metrics = nodeMetrics(telemetry, facts());
    nextSeq = 0;
    known = metrics.map(({ value }) => value);
    send('NBIRTH', Date.parse(telemetry.ts), [
      bdSeqMetric(),
      ...metrics.map(({ name, type, value }, alias) => ({ name, alias, type, value })),
    ]);
  };
  const tryBirth = (): void => {
    const telemetry = options.lastTelemetry();
    if (publish !== undefined && telemetry !== null) birth(telemetry);
  };

  const obey = (name: string | undefined, value: MetricValue): void => {
    if (name === REBIRTH && value === true) tryBirth();
    else if (name === BUDGET && typeof value === 'number') {
      options.onCommand({ name: 'budget', watts: value });
    } else if (name === DRAIN && typeof value === 'boolean') {
      options.onCommand({ name: 'drain', draining: value });
    } else logger.info({ metric: name }, 'ignored a Sparkplug command');
  };

  return {
    commandTopic: topic('NCMD'),
    nextDeath() {
      bdSeq = (bdSeq + 1) % SEQUENCE;
      const metrics = [bdSeqMetric()];
      return {
        topic: topic('NDEATH'),
        payload: encodePayload({ timestampMs: clock.wallMs(), metrics }),
      };
    },
    opened(publishNow) {
      publish = publishNow;
      options.saveBdSeq(bdSeq);
      tryBirth();
    },
    closed() {
      publish = undefined;
      known = undefined;
    },
    onMessage(payload) {
      try {
        const last = options.lastTelemetry();
        const names = last === null ? [] : nodeMetrics(last, facts()).map(({ name }) => name);
        for (const { name, alias, value } of decodeCommand(payload)) {
          obey(name ?? (alias === undefined ? undefined : names[alias]), value);
        }
      } catch (error) {
        logger.warn({ error: String(error) }, 'a Sparkplug command cannot be read');
      }
    },
    telemetry(telemetry) {
      if (publish === undefined) return;
      if (known === undefined) {
        birth(telemetry);
        return;
      }
      const before = known;
      const metrics = nodeMetrics(telemetry, facts());
      known = metrics.map(({ value }) => value);
      const changed = metrics.flatMap(({ type, value }, alias) =>
        value === before[alias] ? [] : [{ alias, type, value }],
      );
      if (changed.length > 0) send('NDATA', Date.parse(telemetry.ts), changed);
    },
  };
}
