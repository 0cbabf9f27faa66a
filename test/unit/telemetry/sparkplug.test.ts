import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Telemetry } from '../../../src/protocol/index.ts';
import { createSparkplugNode } from '../../../src/telemetry/sparkplug/index.ts';
import { readAsHost, writeAsHost } from '../../fakes/sparkplug-host.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

function setUp(lastBdSeq = -1) {
  const sent: { topic: string; payload: Buffer }[] = [];
  const commands: unknown[] = [];
  const state = { telemetry: telemetryExample() as Telemetry | null, saved: lastBdSeq };
  const node = createSparkplugNode({
    groupId: 'plant',
    edgeNodeId: 'pi5',
    lastBdSeq,
    saveBdSeq: (bdSeq) => (state.saved = bdSeq),
    facts: () => ({ version: '1.2.3', draining: false }),
    lastTelemetry: () => state.telemetry,
    onCommand: (command) => commands.push(command),
    clock: createVirtualClock(),
    logger: silentLogger,
  });
  const connect = () => {
    const will = node.nextDeath();
    node.opened((message) => sent.push(message));
    return will;
  };
  const last = () => {
    const message = sent.at(-1);
    return { topic: message?.topic, ...readAsHost(message?.payload ?? Buffer.alloc(0)) };
  };
  return { node, sent, commands, state, connect, last };
}

describe('a Sparkplug B edge node, read by Eclipse Tahu’s decoder', () => {
  it('is born with every metric, by name and alias, sequence number 0 and the number of its will', () => {
    const { connect, last, state } = setUp();
    const will = connect();
    expect(will.topic).toBe('spBv1.0/plant/NDEATH/pi5');
    const death = readAsHost(will.payload);
    expect(death.seq).toBeUndefined();
    expect(death.metrics).toMatchObject([{ name: 'bdSeq', type: 'Int64', value: 0 }]);
    const birth = last();
    expect(birth.topic).toBe('spBv1.0/plant/NBIRTH/pi5');
    expect(birth.seq).toBe(0);
    expect(birth.timestampMs).toBe(Date.parse(telemetryExample().ts));
    expect(birth.value('bdSeq')).toBe(0);
    expect(birth.value('Node Control/Rebirth')).toBe(false);
    expect(birth.value('Power/Watts')).toBe(1.25);
    expect(birth.value('Power/Mean 60 s')).toBeNull();
    expect(birth.value('Engine/Tokens')).toBe(120);
    expect(birth.value('Engine/State')).toBe('busy');
    expect(birth.value('Thermal/Under Voltage')).toBe(false);
    const aliases = birth.metrics.slice(1).map(({ alias }) => alias);
    expect(new Set(aliases).size).toBe(aliases.length);
    expect(aliases).not.toContain(undefined);
    expect(state.saved).toBe(0);
  });

  it('sends what has changed by alias, and nothing when nothing has', () => {
    const { node, connect, last, sent } = setUp();
    connect();
    const alias = last().metrics.find(({ name }) => name === 'Power/Watts')?.alias ?? -1;
    const next = telemetryExample();
    next.power.watts = 1.5;
    node.telemetry(next);
    expect(last().topic).toBe('spBv1.0/plant/NDATA/pi5');
    expect(last()).toMatchObject({ seq: 1, metrics: [{ name: undefined, alias, value: 1.5 }] });
    node.telemetry(next);
    expect(sent).toHaveLength(2);
    next.power.watts = null;
    node.telemetry(next);
    expect(last()).toMatchObject({ seq: 2, metrics: [{ alias, value: null }] });
  });

  it('counts to 255 and begins again at 0', () => {
    const { node, connect, last } = setUp();
    connect();
    const seqs: (number | undefined)[] = [];
    for (let i = 0; i < 257; i += 1) {
      node.telemetry({ ...telemetryExample(), uptime_s: 1000 + i });
      seqs.push(last().seq);
    }
    expect(seqs.slice(0, 2)).toEqual([1, 2]);
    expect(seqs.slice(-3)).toEqual([255, 0, 1]);
  });

  it('is born again when a host asks for it, with the same number of its will', () => {
    const { node, connect, last, sent } = setUp(4);
    connect();
    node.telemetry({ ...telemetryExample(), uptime_s: 61 });
    node.onMessage(writeAsHost('Node Control/Rebirth', 'Boolean', true));
    expect(last()).toMatchObject({ topic: 'spBv1.0/plant/NBIRTH/pi5', seq: 0 });
    expect(last().value('bdSeq')).toBe(5);
    const count = sent.length;
    node.onMessage(writeAsHost('Node Control/Rebirth', 'Boolean', false));
    expect(sent).toHaveLength(count);
  });

  it('has a new number for each connection, also after a crash and beyond 255', () => {
    const { connect, node, last } = setUp(254);
    expect(readAsHost(connect().payload).value('bdSeq')).toBe(255);
    node.closed();
    expect(readAsHost(connect().payload).value('bdSeq')).toBe(0);
    expect(last().value('bdSeq')).toBe(0);
    expect(last().seq).toBe(0);
  });

  it('waits with its birth for the first telemetry, and says nothing without a connection', () => {
    const { node, connect, last, sent, state } = setUp();
    state.telemetry = null;
    connect();
    expect(sent).toEqual([]);
    node.telemetry(telemetryExample());
    expect(last().topic).toContain('/NBIRTH/');
    node.closed();
    node.telemetry({ ...telemetryExample(), uptime_s: 99 });
    expect(sent).toHaveLength(1);
  });

  it('takes a budget and a drain from a host, by name or alias, and ignores the rest', () => {
    const { node, connect, commands } = setUp();
    connect();
    node.onMessage(writeAsHost('Power/Budget', 'Double', 3.5));
    node.onMessage(writeAsHost('Node Control/Drain', 'Boolean', true));
    node.onMessage(writeAsHost('Power/Watts', 'Double', 9));
    node.onMessage(Buffer.from('nonsense'));
    node.onMessage(Buffer.alloc(0));
    expect(commands).toEqual([
      { name: 'budget', watts: 3.5 },
      { name: 'drain', draining: true },
    ]);
  });
});
