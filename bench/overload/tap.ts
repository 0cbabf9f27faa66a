import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Whole MQTT packets out of a stream of bytes (MQTT 5, section 2.1): first byte and what follows the length. */
function packetReader(
  onPacket: (firstByte: number, rest: Buffer) => void,
): (chunk: Buffer) => void {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      let length = 0;
      let at = 1;
      for (let shift = 0; ; shift += 7) {
        const digit = held[at];
        if (digit === undefined) return;
        at += 1;
        length |= (digit & 0x7f) << shift;
        if (digit < 0x80) break;
      }
      if (held.length < at + length) return;
      onPacket(held[0] ?? 0, held.subarray(at, at + length));
      held = held.subarray(at + length);
    }
  };
}

/** Stands between a node and its broker and counts the QoS 1 messages that the node has not acknowledged. */
export async function startTap(brokerPort: number) {
  let inFlight = 0;
  let most = 0;
  const listener = createServer({ noDelay: true }, (node) => {
    const broker = connect({ host: '127.0.0.1', port: brokerPort, noDelay: true });
    const fromBroker = packetReader((first) => {
      // PUBLISH with QoS 1.
      if (first >> 4 !== 3 || ((first >> 1) & 3) !== 1) return;
      inFlight += 1;
      most = Math.max(most, inFlight);
    });
    const fromNode = packetReader((first) => {
      if (first >> 4 === 4) inFlight -= 1;
    });
    broker.on('data', (chunk: Buffer) => {
      fromBroker(chunk);
      node.write(chunk);
    });
    node.on('data', (chunk: Buffer) => {
      fromNode(chunk);
      broker.write(chunk);
    });
    for (const socket of [node, broker]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        node.destroy();
        broker.destroy();
        inFlight = 0;
      });
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    mostInFlight: () => most,
    close: () => void listener.close(),
  };
}
