/**
 * What of `node_modules` goes to a board, by explicit lists. `completeness.ts` proves that nothing is
 * missing which the shipped code names; the end-to-end test starts the daemon from the pruned tree.
 */
import type { Target } from './target.ts';

/**
 * Production packages that stay behind, with everything that only they need. `namedBy` tells which
 * shipped files name them all the same, and may: the module is loaded by nothing that is reached.
 */
export const LEFT_OUT: Readonly<Record<string, { why: string; namedBy?: RegExp }>> = {
  sharp: {
    why: 'only draws PNG charts of `twowatt sim`, which then asks for .svg; 19 MB, LGPL',
    namedBy: /^dist\/cli\/chart\/png\.js$/,
  },
  'onnxruntime-web': {
    why: 'for browsers; the engine puts an empty module in its place',
    namedBy: /^node_modules\/@huggingface\/transformers\/src\/backends\/onnx\.js$/,
  },
  'adm-zip': { why: 'for onnxruntime-node’s install script' },
  'global-agent': { why: 'for onnxruntime-node’s install script' },
  'pg-cloudflare': {
    why: 'for Cloudflare’s own runtime',
    namedBy: /^node_modules\/pg\/lib\/stream\.js$/,
  },
  commist: { why: 'for mqtt’s own command line' },
  'concat-stream': { why: 'for mqtt’s own command line' },
  'help-me': { why: 'for mqtt’s own command line' },
  minimist: { why: 'for mqtt’s own command line' },
  '@types/readable-stream': { why: 'types' },
  '@types/ws': { why: 'types' },
};

/** Optional helpers that other packages look for and do without. They are not even installed here. */
export const OPTIONAL_HELPERS: ReadonlySet<string> = new Set([
  'bufferutil',
  'utf-8-validate',
  'supports-color',
  'macos-temperature-sensor',
  'osx-temperature-sensor',
  're2',
  'pino-pretty',
  'pg-native',
]);

const OTHER_PLATFORM = /^@koromix\/koffi-/;

/** Native helpers exist once for each platform; only the target's goes along. */
export function belongsToTarget(name: string, target: Target): boolean {
  return !OTHER_PLATFORM.test(name) || name === `@koromix/koffi-linux-${target.node}`;
}

/** Files that no package needs at run time. Licences are not lost: `copyright.ts` collects them. */
const NEVER: readonly RegExp[] = [
  /\.(?:[cm]?ts|map|md|markdown|flow|tsbuildinfo|html|ico|sh|yml|yaml|png|svg|gz)$/i,
  /(?:^|\/)(?:licen[cs]e|copying|notice|authors|contributors|cname|makefile|copyrightnotice)[^/]*$/i,
  /(?:^|\/)\.[^/]*/,
  // OpenTelemetry comes three times; Node takes build/src.
  /^build\/(?:esm|esnext)\//,
  // Command lines of the packages' own.
  /^bin\/.*\.js$|^(?:bin|lib\/cli)\.js$|\.bnf$/,
  /(?:^|\/)(?:eslint\.config|rollup\.config|karma\.conf|test|tests|bench(?:_\w+)?|benchmark|example)\.[cm]?js$/i,
  /^(?:test|tests|doc|docs|example|examples|bench|benchmark|benchmarks|types|typings|scripts|integration)\//i,
  /(?:^|\/)(?:__tests__|tsconfig[^/]*\.json$|package-lock\.json$)/,
];

/** Packages of which only these files go along (package.json always does). */
const ONLY: Readonly<Record<string, (target: Target) => readonly RegExp[]>> = {
  // The tokenizer's module and what it imports, out of 900 files of models and pipelines.
  '@huggingface/transformers': () => [
    /^src\/(?:tokenization_utils|env|configs)\.js$/,
    /^src\/backends\/(?:onnx|onnx-node)\.js$/,
    /^src\/backends\/utils\/cacheWasm\.js$/,
    /^src\/ops\/registry\.js$/,
    /^src\/utils\/(?:cache|core|devices|dtypes|generic|hub|io|logger|lru_cache|maths|memoize_promise|random|tensor)\.js$/,
    /^src\/utils\/(?:cache|hub)\//,
    /^src\/utils\/model_registry\/(?:get_file_metadata|get_tokenizer_files)\.js$/,
  ],
  '@huggingface/jinja': () => [/^dist\/index\.(?:js|cjs)$/],
  '@huggingface/tokenizers': () => [/^dist\/tokenizers\.(?:mjs|cjs)$/],
  'onnxruntime-node': (target) => [
    /^dist\/.*\.js$/,
    new RegExp(`^bin/napi-v6/linux/${target.node}/`),
  ],
  'onnxruntime-common': () => [/^dist\/(?:cjs|esm)\//],
  koffi: () => [/^(?:index|indirect)\.(?:js|cjs)$/, /^src\/koffi\/(?!.*trampolines).*\.c?js$/],
  '@koromix/koffi-linux-x64': () => [/^index\.js$/, /^linux_x64\//],
  '@koromix/koffi-linux-arm64': () => [/^index\.js$/, /^linux_arm64\//],
  mqtt: () => [/^build\/(?!bin\/)/],
  protobufjs: () => [/^src\//, /^(?:light|minimal|index)\.js$/],
  ajv: () => [/^dist\//],
  yaml: () => [/^dist\//],
};

/** Whether a package's file goes along. `file` is relative to the package's folder. */
export function isShipped(name: string, file: string, target: Target): boolean {
  if (file === 'package.json') return true;
  if (NEVER.some((pattern) => pattern.test(file))) return false;
  const only = ONLY[name]?.(target);
  return only === undefined || only.some((pattern) => pattern.test(file));
}
