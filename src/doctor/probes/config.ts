import {
  describeConfig,
  originText,
  problemText,
  readSecretFile,
  secretFiles,
} from '../../config/index.ts';
import type { ConfigFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';

/** A prompt of its own kind: what an operator tells the model is nobody else's business. */
const SYSTEM_PROMPT = 'model.system_prompt';

function shown(key: string, value: unknown): unknown {
  if (key !== SYSTEM_PROMPT || typeof value !== 'string' || value === '') return value;
  return `(${value.length} characters, left out)`;
}

export function lookAtConfig({ config }: ProbeContext): ConfigFacts {
  const { values } = config;
  return {
    file: config.file,
    overlayPath: config.overlayPath,
    ignored: config.problems.map(problemText),
    settings: describeConfig(config).map(({ key, value, origin }) => ({
      key,
      value: shown(key, value),
      origin: originText(origin),
    })),
    node: values.node.id,
    governor: values.governor,
    secretProblems: secretFiles(values, process.env).flatMap(({ key, path }) => {
      try {
        readSecretFile(path, { key, env: process.env });
        return [];
      } catch (error) {
        return { key, path, reason: error instanceof Error ? error.message : String(error) };
      }
    }),
  };
}
