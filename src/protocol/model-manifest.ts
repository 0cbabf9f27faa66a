/**
 * `twowatt.json` in a converted model folder: what the converter promises and the engine relies on.
 *
 * The graph that both sides agree on (float32 unless said otherwise; S new tokens, P tokens in the
 * cache, one sequence):
 * - inputs `input_ids` int64 [1,S], `position_ids` int64 [1,S], `past_length` int64 [1] (= P), and
 *   for every layer l and KV head g `past.{l}.key.{g}` and `past.{l}.value.{g}` [1,P,headDim];
 * - outputs `logits` [1,1,vocab] and `logsumexp` [1,1,1] of the last token, and
 *   `new.{l}.key.{g}`, `new.{l}.value.{g}` [1,S,headDim]: the rows to append to the cache.
 *
 * With `promptScores` in the manifest, R of the S rows get logits: inputs `head_rows` int64 [R], rising,
 * and `targets` int64 [1,R,1], a token id for each; outputs `logits` [1,1,vocab] of the last of them,
 * `logsumexp` [1,R,1], and `target_logits` [1,R,1]. So ln P(target) costs no copy of a row of logits.
 */
export const MANIFEST_FILE = 'twowatt.json';
export const GRAPH_FILE = 'model.onnx';
export const WEIGHTS_FILE = 'model.onnx.data';
export const MANIFEST_FORMAT = 1;

export type ModelForm = 'int8' | 'fp32';

/**
 * Which cores the graph is for. `dotprod`: 8-bit dot products (arm64 asimddp, x86 VNNI), so the head
 * is block-quantised and shares the embedding's bytes. `nodotprod`: Cortex-A53/A57/A72, where that
 * kernel would unpack to fp32 on each call, so the head is an int8 GEMM. `avx2`: x86 without VNNI,
 * whose u8×s8 product saturates, so weights are unsigned and the exact u8×u8 product is used.
 */
export type ModelTarget = 'dotprod' | 'nodotprod' | 'avx2';

export type ModelDimensions = {
  hidden: number;
  ffn: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  /** Positions that the graph's rotary table covers. */
  contextTokens: number;
};

export type ModelManifest = {
  format: typeof MANIFEST_FORMAT;
  /** The model's name in `model list`. */
  id: string;
  architecture: 'ernie4_5';
  form: ModelForm;
  target: ModelTarget;
  dimensions: ModelDimensions;
  parameters: number;
  /** Tokens that end an answer. */
  eosTokenIds: number[];
  /** Whether the graph takes `head_rows` and `targets`; older manifests do not say, and mean no. */
  promptScores: boolean;
  /** sha256 over the source weights and configuration: tells whether a cached conversion is still the folder's. */
  sourceDigest: string;
  /** Version of the converter's output; a cached conversion of another version is made anew. */
  converter: number;
  files: { name: string; bytes: number; sha256: string }[];
  /** sha256 over the names and digests of `files`. */
  digest: string;
};
