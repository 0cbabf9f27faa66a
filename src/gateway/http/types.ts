import type {
  HealthCondition,
  ModelFacts,
  StateMessage,
  Telemetry,
  TerminalFrame,
} from '../../protocol/index.ts';
import type { InboundPrompt, ReplyPort } from '../../service/ports.ts';

export type HttpGatewayOptions = {
  /** Name or address to listen on; anything but loopback needs `token`. */
  host: string;
  /** 0 takes any free port. */
  port: number;
  node: string;
  version: string;
  /** Made anew at each start of the daemon: an answer of an earlier life finds no connection here. */
  instance: string;
  /** Bearer token that clients must send; undefined asks for none. */
  token: string | undefined;
  /** Host names that are answered on loopback besides localhost and loopback addresses. */
  allowedHosts: readonly string[];
  /** Per client address; 0 sets no limit. */
  requestsPerMinute: number;
  /** Largest request body, bytes. */
  maxPayloadBytes: number;
  /** Where `npm run build` put the page. */
  pageFolder: string;
};

export type HttpGatewayHandlers = {
  /** Resolves when the prompt is on disk, or its refusal was delivered. Never rejects. */
  onPrompt(message: InboundPrompt): Promise<void>;
  /** Nobody waits any more for the answer to the prompt of this id and reply topic. */
  onCancel(id: string, topic: string): void;
  /** Models that a request may name; empty while none is known. */
  models(): ServedModel[];
  ready(): { model: boolean; broker: boolean };
  /** The last telemetry that was made, and the conditions that hold; must not read sensors. */
  telemetry(): Telemetry | null;
  health(): HealthCondition[];
  /** Somebody has begun to listen on `/api/events`. */
  onListener?(): void;
  /** How the last prompts went, newest first; no text of prompts or answers. */
  decisions(): object[];
};

/** A model that prompts may name: the board's own, with its facts, or a cloud endpoint's. */
export type ServedModel =
  | { id: string; endpoint: null; facts: ModelFacts }
  | { id: string; endpoint: string; facts: null };

/** What `/api/events` tells, by the event's name. Neither prompts nor answers are in it. */
export type BoardEvents = {
  state: Pick<StateMessage, 'state'>;
  health: HealthCondition[];
  telemetry: Telemetry;
  answer: TerminalFrame;
};

export interface HttpGateway extends ReplyPort {
  /** Listens; resolves to the address. Throws `invalid_request` when it cannot be had. */
  start(): Promise<{ host: string; port: number }>;
  /** Refuses new prompts with `draining`; what was accepted goes on. */
  setDraining(draining: boolean): void;
  /** Tells everybody on `/api/events`; of an answer only what is not text. */
  announce<Name extends keyof BoardEvents>(name: Name, data: BoardEvents[Name]): void;
  /** Somebody listens on `/api/events`. */
  watched(): boolean;
  /** Answers what is still open with `draining` and closes; after `deadlineMs` it cuts. */
  close(deadlineMs: number): Promise<void>;
}
