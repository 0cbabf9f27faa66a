/**
 * service: the pipeline that takes a prompt from a gateway to its answer. It knows the journal, the
 * engine and the way back only by their interfaces, so each can be replaced and faked.
 */
export { type AdmissionRules } from './admission.ts';
export { doneFrame, errorFrame, frameHead, tokensPerSecond } from './answers.ts';
export { toCloudRequest } from './cloud-request.ts';
export { createPipeline } from './pipeline.ts';
export type { Pipeline } from './pipeline-types.ts';
export type {
  EnergyMeter,
  Engine,
  InboundPrompt,
  ReplyPort,
  RoutedPrompt,
  Routing,
  RoutingRecord,
} from './ports.ts';
export { emptyTotals, type PipelineTotals } from './totals.ts';
