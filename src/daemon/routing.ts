import type { Cloud } from '../cloud/index.ts';
import type { Config } from '../config/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import { answerScore, earlyGate, type GateFit, type GenerateRequest } from '../protocol/index.ts';
import {
  afterCloudFailure,
  afterEdge,
  createShareFollower,
  decide,
  isShadowed,
  type NodeState,
  type RoutePolicy,
  type RouteRequest,
  scorePrompt,
  type ShareFollower,
} from '../router/index.ts';
import type { Findings, Withheld } from '../router/privacy/index.ts';
import type { RoutedPrompt, Routing, RoutingRecord } from '../service/index.ts';
import type { AuditLog } from './audit-log.ts';
import type { Shadow } from './shadow.ts';

/** Only the end of a long prompt is scored: there the question stands, and scoring takes bounded time. */
const SCORED_CHARACTERS = 8000;

export type RoutingParts = {
  config: () => Config;
  /** Null: nothing leaves the board. */
  beyond: { cloud: Cloud; privacy: PrivacyGuard } | null;
  /** The running model's gate; null before there is a model, and for one without a fit. */
  gateFit: () => GateFit | null;
  edgeModel: () => string | null;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
};

/** What watches over everything that leaves. A board without a cloud need not hold it in memory. */
export type PrivacyGuard = Pick<
  typeof import('../router/privacy/index.ts'),
  'gate' | 'auditRecord'
> & { audit: AuditLog; shadow: Shadow };

export async function openPrivacyGuard(
  config: Config,
  cloud: Cloud,
  clock: Clock,
  logger: Logger,
): Promise<PrivacyGuard> {
  const { gate, auditRecord } = await import('../router/privacy/index.ts');
  const { openAuditLog } = await import('./audit-log.ts');
  const { createShadow } = await import('./shadow.ts');
  return {
    gate,
    auditRecord,
    audit: openAuditLog(config.node.state_folder, logger),
    shadow: createShadow(cloud, clock, logger),
  };
}

/** The router, the privacy gate and the confidence gate around the cloud client. */
export function createRouting(parts: RoutingParts): Routing {
  const { config, clock } = parts;
  const { cloud = null, privacy = null } = parts.beyond ?? {};
  const endpoints = config().cloud.endpoints;
  const tiers = [...new Set(endpoints.map(({ tier }) => tier ?? 1))].toSorted((a, b) => a - b);
  const names = new Set(endpoints.flatMap(({ name, model }) => [name, model]));
  let follower: { share: number; follower: ShareFollower } | undefined;

  /** What `clear` found. Its verdicts are never used again: what leaves is judged at that moment. */
  const judged = new WeakMap<GenerateRequest, Findings>();

  const inCloud = (model: string) => names.has(model) && model !== parts.edgeModel();

  function threshold(): number {
    const { cloud_share: share, difficulty_threshold: fixed } = config().router;
    if (share === 0) return fixed;
    if (follower?.share !== share) {
      follower = { share, follower: createShareFollower({ share, threshold: fixed }) };
    }
    return follower.follower.threshold();
  }

  function cloudState(): NodeState['cloud'] {
    if (cloud === null) return { tiers: [], reachable: false, budgetLeft: false, answerMs: null };
    const { reachable, budget } = cloud.state();
    return {
      tiers,
      reachable,
      budgetLeft: !budget.exhausted && (budget.left === null || budget.left > 0),
      answerMs: null,
    };
  }

  const cloudUsable = (): boolean => {
    const state = cloudState();
    return state.tiers.length > 0 && state.reachable && state.budgetLeft;
  };

  const policy = (): RoutePolicy => ({
    policy: config().router.policy,
    difficultyThreshold: threshold(),
    queuePressureS: config().router.queue_pressure_s,
  });

  function requestOf(prompt: RoutedPrompt): RouteRequest {
    const { model } = prompt;
    return {
      route: prompt.route,
      privacy: prompt.privacy,
      modelAt: model === undefined ? null : inCloud(model) ? 'cloud' : 'edge',
      // Counted by the engine; what is too long for it comes back from there.
      promptTokens: null,
      deadlineMs: prompt.deadlineMs,
      sessionTarget: prompt.sessionTarget,
    };
  }

  /** Where an unsure answer could go on to. */
  const mayEscalate = (prompt: RoutedPrompt) =>
    cloud !== null &&
    prompt.route !== 'edge' &&
    prompt.privacy !== 'local' &&
    requestOf(prompt).modelAt !== 'edge' &&
    config().router.policy !== 'edge';

  function record(decision: RoutingRecord, conversation: GenerateRequest): void {
    const { prompt, target, reasons } = decision;
    if (FREE.some((reason) => reasons.includes(reason))) {
      follower?.follower.observe(target === 'cloud');
    }
    if (privacy === null) return;
    const { audit } = privacy;
    const findings =
      judged.get(conversation) ?? privacy.gate(conversation, prompt.privacy).findings;
    const messages = conversation.messages ?? [
      { role: 'user' as const, content: conversation.prompt ?? '' },
    ];
    audit.append(
      privacy.auditRecord({
        id: decision.id,
        atMs: clock.wallMs(),
        messages,
        salt: audit.salt,
        label: prompt.privacy,
        labelSource: prompt.labelSource,
        decision: target,
        reasons,
        findings,
        endpoint: decision.endpoint,
      }),
    );
  }

  return {
    cloud,
    inCloud,
    decide: (prompt, edge) =>
      decide(
        requestOf(prompt),
        scorePrompt(lastTurn(prompt.generate)).difficulty,
        { edge, cloud: cloudState() },
        policy(),
      ),
    afterCloudFailure: (prompt, decision) => afterCloudFailure(requestOf(prompt), decision),
    judge(prompt, result, decision, mayRestart) {
      const { router } = config();
      return afterEdge(
        { ...requestOf(prompt), mayRestart },
        { text: result.text, confidence: answerScore(result, parts.gateFit()) },
        decision.difficulty,
        cloudState(),
        {
          policy: router.policy,
          difficultyThreshold: threshold(),
          lowConfidenceAction: router.low_confidence_action,
          thresholds: { confidenceLeast: router.confidence_threshold },
        },
      );
    },
    watch(prompt, mayLeave) {
      const fit = parts.gateFit();
      if (fit === null || prompt.route === 'edge') return null;
      const escalates = mayLeave && mayEscalate(prompt) && cloudUsable();
      return (signals, text) => {
        const { confidence_threshold: least, low_confidence_action: action } = config().router;
        if (!earlyGate(signals, fit, least)) return 'go_on';
        if (escalates) return 'escalate';
        const command = text.trimStart().startsWith('{');
        return action === 'error' || (action === 'auto' && command) ? 'refuse' : 'go_on';
      };
    },
    wantsSignals: (prompt) => prompt.route !== 'edge' && parts.gateFit() !== null,
    shadow(id, prompt, conversation, answer) {
      const { shadow_share: share } = config().router;
      const asked =
        privacy !== null &&
        cloudUsable() &&
        prompt.route !== 'edge' &&
        isShadowed({ privacy: prompt.privacy, target: 'edge' }, share, parts.random());
      if (asked) {
        const verdict = privacy.gate(conversation, prompt.privacy);
        privacy.shadow({ id, verdict, asked: conversation, answer });
      }
      return asked;
    },
    clear(conversation, label) {
      const verdict = privacy?.gate(conversation, label) ?? NOTHING_LEAVES;
      judged.set(conversation, verdict.findings);
      return verdict;
    },
    record,
  };
}

/** The verdict of a board that has no cloud. */
const NOTHING_LEAVES: Withheld = {
  mayLeave: false,
  reason: 'privacy_local',
  cause: 'label',
  findings: {},
};

/** Reasons of prompts that were free to go either way. */
const FREE = ['low_difficulty', 'high_difficulty'] as const;

function lastTurn({ messages, prompt }: GenerateRequest): string {
  const text = prompt ?? messages?.findLast(({ role }) => role === 'user')?.content ?? '';
  return text.slice(-SCORED_CHARACTERS);
}
