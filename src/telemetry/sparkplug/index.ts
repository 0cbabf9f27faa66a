/**
 * Sparkplug B 3.0: the board as an edge node for SCADA hosts. Loaded only where it is switched on. Knows
 * payloads and the order of messages; the connection is handed in.
 */
export { createSparkplugNode, type SparkplugNode } from './node.ts';
