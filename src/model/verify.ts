import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GRAPH_FILE, type ModelManifest, WEIGHTS_FILE } from '../protocol/index.ts';
import { TwowattError } from '../core/index.ts';
import type { ConversionProgress } from './convert.ts';
import { digestFile } from './digest.ts';
import { fromReadError, ModelError } from './errors.ts';
import { loadManifest } from './manifest.ts';
import { decodeModel, type OnnxModel, type OnnxValue } from './onnx-schema.ts';

export type VerifyOptions = {
  onProgress?: (progress: ConversionProgress) => void;
  signal?: AbortSignal;
};

function corrupt(text: string): ModelError {
  return new ModelError('corrupt', GRAPH_FILE, `${GRAPH_FILE} ${text}`);
}

function parseGraph(folder: string): OnnxModel['graph'] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(join(folder, GRAPH_FILE));
  } catch (error) {
    throw fromReadError(error, GRAPH_FILE);
  }
  try {
    return decodeModel(bytes).graph;
  } catch (error) {
    throw new ModelError('corrupt', GRAPH_FILE, `${GRAPH_FILE} is not an ONNX graph`, error);
  }
}

function sides(value: OnnxValue): string {
  const { dim } = value.type.tensorType.shape;
  return dim.map((side) => side.dimParam || String(side.dimValue)).join(',');
}

/** Names and shapes that the manifest's dimensions imply, both ways of the graph. */
function expectedValues({ dimensions, promptScores }: ModelManifest) {
  const { layers, kvHeads, headDim, vocab } = dimensions;
  const inputs = new Map([
    ['input_ids', '1,new'],
    ['position_ids', '1,new'],
    ['past_length', '1'],
  ]);
  const outputs = new Map([
    ['logits', `1,1,${vocab}`],
    ['logsumexp', promptScores ? '1,scored,1' : '1,1,1'],
  ]);
  if (promptScores) {
    inputs.set('head_rows', 'scored').set('targets', '1,scored,1');
    outputs.set('target_logits', '1,scored,1');
  }
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < kvHeads; head++) {
      for (const kind of ['key', 'value']) {
        inputs.set(`past.${layer}.${kind}.${head}`, `1,past,${headDim}`);
        outputs.set(`new.${layer}.${kind}.${head}`, `1,new,${headDim}`);
      }
    }
  }
  return { inputs, outputs };
}

function checkValues(kind: string, values: OnnxValue[], expected: Map<string, string>): void {
  const found = new Map(values.map((value) => [value.name, sides(value)]));
  for (const [name, shape] of expected) {
    if (found.get(name) !== shape) {
      throw corrupt(`has ${kind} ${name} [${found.get(name) ?? 'none'}], expected [${shape}]`);
    }
  }
  if (found.size !== expected.size) throw corrupt(`has ${kind}s that nobody expects`);
}

function checkWeights(graph: OnnxModel['graph'], manifest: ModelManifest): void {
  const { hidden, ffn, heads, headDim, vocab, contextTokens } = manifest.dimensions;
  const transposed = manifest.form === 'int8';
  const linear = (rows: number, columns: number) =>
    transposed ? `${columns},${rows}` : `${rows},${columns}`;
  const expected = new Map([
    ['embedding.weight', `${vocab},${hidden}`],
    ['rotary.cos', `${contextTokens},${headDim / 2}`],
    ['layer0.o.weight', linear(hidden, heads * headDim)],
    ['layer0.gate_up.weight', linear(2 * ffn, hidden)],
  ]);
  const dataBytes = manifest.files.find((file) => file.name === WEIGHTS_FILE)?.bytes ?? 0;
  const found = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const [name, shape] of expected) {
    const dims = found.get(name)?.dims.join(',');
    if (dims !== shape)
      throw corrupt(`has tensor ${name} [${dims ?? 'none'}], expected [${shape}]`);
  }
  for (const tensor of graph.initializer) {
    const place = new Map(tensor.externalData?.map(({ key, value }) => [key, value]));
    if (place.size === 0) continue;
    const end = Number(place.get('offset')) + Number(place.get('length'));
    if (place.get('location') !== WEIGHTS_FILE || !(end <= dataBytes)) {
      throw corrupt(`points outside ${WEIGHTS_FILE} for ${tensor.name}`);
    }
  }
}

/**
 * Reads every file of a converted folder and compares its digest with the manifest's.
 * @throws ModelError naming the file at fault
 */
export async function checkDigests(
  folder: string,
  manifest: ModelManifest,
  { onProgress, signal }: VerifyOptions = {},
): Promise<void> {
  const total = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  let done = 0;
  for (const file of manifest.files) {
    const onBytes = (bytes: number) => {
      done += bytes;
      onProgress?.({ phase: 'digests', done, total });
    };
    if (signal?.aborted) throw new TwowattError('cancelled', 'the check was interrupted');
    const { sha256 } = await digestFile(join(folder, file.name), { signal, onBytes });
    if (sha256 !== file.sha256) {
      throw new ModelError('corrupt', file.name, `${file.name} was changed: its digest differs`);
    }
  }
}

/**
 * Reads a converted folder through: every file has the digest the manifest gives, the graph parses,
 * and its inputs, outputs and weights have the shapes that the manifest's dimensions say.
 * @throws ModelError naming the file at fault
 */
export async function verifyModel(
  folder: string,
  options: VerifyOptions = {},
): Promise<ModelManifest> {
  const manifest = loadManifest(folder);
  await checkDigests(folder, manifest, options);
  const graph = parseGraph(folder);
  const { inputs, outputs } = expectedValues(manifest);
  checkValues('input', graph.input, inputs);
  checkValues('output', graph.output, outputs);
  checkWeights(graph, manifest);
  return manifest;
}
