import { TwowattError } from '../core/index.ts';
import type { Privacy, PromptRoute } from '../protocol/index.ts';
import type { FeatureContribution, NodeState, RouteDecision } from '../router/index.ts';
import { CliError, type CommonOptions, EXIT } from './common.ts';
import { loadConfigForCli } from './config.ts';

export type ExplainOptions = CommonOptions & { privacy?: Privacy; route: PromptRoute };

/** Roughly the bytes of one token, for English and for Chinese in UTF-8; nothing is tokenised here. */
const BYTES_PER_TOKEN = 3.5;
/** Contributions smaller than this move difficulty by less than one point. */
const LEAST_SHOWN = 0.04;

/** The node as configured, when nothing is wrong with it: idle, cool, and every endpoint reachable. */
function quietNode(contextTokens: number, tiers: number[]): NodeState {
  return {
    edge: {
      available: true,
      promptTokensMost: contextTokens - 1,
      waitS: 0,
      answerMs: null,
      pausedBy: null,
    },
    cloud: { tiers, reachable: true, budgetLeft: true, answerMs: null },
  };
}

function printTable(
  decision: RouteDecision,
  contributions: FeatureContribution[],
  facts: { privacy: Privacy; threshold: number; endpoints: string[] },
): void {
  const to =
    decision.target === 'edge'
      ? 'the board'
      : `the cloud, tier ${decision.tier} (${facts.endpoints.join(', ') || 'no endpoint'})`;
  const lines = [
    `goes to      ${to}`,
    `reasons      ${decision.reasons.join(', ')}`,
    `difficulty   ${decision.difficulty.toFixed(3)} (threshold ${facts.threshold})`,
    `privacy      ${facts.privacy}`,
    '',
    'feature            value  contribution',
    ...contributions
      .filter(({ contribution }) => Math.abs(contribution) >= LEAST_SHOWN)
      .map(
        ({ feature, value, contribution }) =>
          `${feature.padEnd(16)} ${value.toFixed(3).padStart(7)}  ${contribution >= 0 ? '+' : ''}${contribution.toFixed(3)}`,
      ),
    '',
    'For an idle, cool board with every configured endpoint reachable.',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** `twowatt route explain`: the decision for one prompt, and what it came from. */
export async function explainRoute(prompt: string, options: ExplainOptions): Promise<void> {
  if (prompt.trim() === '') throw new CliError(EXIT.usage, 'the prompt is empty');
  const { decide, scorePrompt } = await import('../router/index.ts');
  const { strictestPrivacy } = await import('../protocol/index.ts');
  const { router, cloud, model } = loadConfigForCli(options).values;
  const privacy = strictestPrivacy(options.privacy, router.privacy_default);
  const endpointTier = (tier: number | undefined) => tier ?? 1;
  const tiers = [...new Set(cloud.endpoints.map(({ tier }) => endpointTier(tier)))].toSorted(
    (a, b) => a - b,
  );
  const { difficulty, contributions } = scorePrompt(prompt);
  const request = {
    route: options.route,
    privacy,
    modelAt: null,
    promptTokens: Math.ceil(Buffer.byteLength(prompt) / BYTES_PER_TOKEN),
    deadlineMs: null,
    sessionTarget: null,
  };
  let decision: RouteDecision;
  try {
    decision = decide(request, difficulty, quietNode(model.context_tokens, tiers), {
      policy: router.policy,
      difficultyThreshold: router.difficulty_threshold,
      queuePressureS: router.queue_pressure_s,
    });
  } catch (error) {
    if (!(error instanceof TwowattError) || options.json !== true) throw error;
    process.stdout.write(`${JSON.stringify({ error: error.toBody(), difficulty, privacy })}\n`);
    process.exitCode = EXIT.failed;
    return;
  }
  const sorted = contributions.toSorted(
    (a, b) => Math.abs(b.contribution) - Math.abs(a.contribution),
  );
  const threshold = router.difficulty_threshold;
  if (options.json === true) {
    process.stdout.write(
      `${JSON.stringify({ ...decision, threshold, privacy, features: sorted })}\n`,
    );
    return;
  }
  const endpoints = cloud.endpoints
    .filter(({ tier }) => endpointTier(tier) === decision.tier)
    .map(({ name }) => name);
  printTable(decision, sorted, { privacy, threshold, endpoints });
}
