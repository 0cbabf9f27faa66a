import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ErnieConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { FLOAT_BYTES } from './float.ts';
import { isJsonObject, readJsonObject } from './json-file.ts';
import { SafetensorsFile } from './safetensors.ts';

export const WEIGHTS_SOURCE = 'model.safetensors';
export const INDEX_SOURCE = 'model.safetensors.index.json';

export const EMBEDDING = 'model.embed_tokens.weight';
export const HEAD = 'lm_head.weight';
export const FINAL_NORM = 'model.norm.weight';

/** Names of one layer's tensors in the PyTorch layout. */
export function layerTensors(layer: number) {
  const at = (name: string) => `model.layers.${layer}.${name}.weight`;
  return {
    inputNorm: at('input_layernorm'),
    q: at('self_attn.q_proj'),
    k: at('self_attn.k_proj'),
    v: at('self_attn.v_proj'),
    o: at('self_attn.o_proj'),
    postNorm: at('post_attention_layernorm'),
    gate: at('mlp.gate_proj'),
    up: at('mlp.up_proj'),
    down: at('mlp.down_proj'),
  };
}

/** Every tensor that a model of these dimensions has, with its shape ([out, in] for linears). */
export function expectedTensors(config: ErnieConfig): Map<string, number[]> {
  const { hidden, ffn, heads, kvHeads, headDim, vocab } = config;
  const shapes = new Map<string, number[]>([[EMBEDDING, [vocab, hidden]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const names = layerTensors(layer);
    shapes.set(names.inputNorm, [hidden]);
    shapes.set(names.q, [heads * headDim, hidden]);
    shapes.set(names.k, [kvHeads * headDim, hidden]);
    shapes.set(names.v, [kvHeads * headDim, hidden]);
    shapes.set(names.o, [hidden, heads * headDim]);
    shapes.set(names.postNorm, [hidden]);
    shapes.set(names.gate, [ffn, hidden]);
    shapes.set(names.up, [ffn, hidden]);
    shapes.set(names.down, [hidden, ffn]);
  }
  shapes.set(FINAL_NORM, [hidden]);
  if (!config.tied) shapes.set(HEAD, [vocab, hidden]);
  return shapes;
}

function indexedFiles(folder: string): Map<string, string> {
  const index = readJsonObject(join(folder, INDEX_SOURCE), 'bad_header');
  const map = index['weight_map'];
  if (!isJsonObject(map)) {
    throw new ModelError('bad_header', INDEX_SOURCE, `${INDEX_SOURCE} has no weight_map`);
  }
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    // Only plain names: an index must not make us read outside its folder.
    if (typeof file !== 'string' || file !== basename(file) || !file.endsWith('.safetensors')) {
      throw new ModelError(
        'bad_header',
        tensor,
        `${INDEX_SOURCE}: tensor ${tensor} must name a .safetensors file of this folder`,
      );
    }
    files.set(tensor, file);
  }
  return files;
}

/**
 * The weights of a Hugging Face folder, one file or sharded, opened and fully checked against the
 * config: every expected tensor is there, is BF16, F16 or F32 and has the expected shape. Tensors
 * nobody asked for are ignored, except biases, which would change the arithmetic.
 */
export class Checkpoint {
  readonly config: ErnieConfig;
  readonly files: readonly SafetensorsFile[];
  readonly shapes: ReadonlyMap<string, number[]>;
  readonly #home = new Map<string, SafetensorsFile>();

  private constructor(config: ErnieConfig, files: SafetensorsFile[]) {
    this.config = config;
    this.files = files;
    this.shapes = expectedTensors(config);
  }

  /** @throws ModelError naming the tensor or file at fault */
  static open(folder: string, config: ErnieConfig): Checkpoint {
    const files: SafetensorsFile[] = [];
    const checkpoint = new Checkpoint(config, files);
    try {
      if (existsSync(join(folder, INDEX_SOURCE)) && !existsSync(join(folder, WEIGHTS_SOURCE))) {
        checkpoint.#openShards(folder, files);
      } else {
        const file = new SafetensorsFile(join(folder, WEIGHTS_SOURCE));
        files.push(file);
        for (const tensor of file.tensors.keys()) checkpoint.#home.set(tensor, file);
      }
      checkpoint.#check();
    } catch (error) {
      checkpoint.close();
      throw error;
    }
    return checkpoint;
  }

  #openShards(folder: string, files: SafetensorsFile[]): void {
    const byName = new Map<string, SafetensorsFile>();
    for (const [tensor, name] of indexedFiles(folder)) {
      let file = byName.get(name);
      if (!file) {
        file = new SafetensorsFile(join(folder, name));
        byName.set(name, file);
        files.push(file);
      }
      if (!file.tensors.has(tensor)) {
        throw new ModelError(
          'missing_tensor',
          tensor,
          `${INDEX_SOURCE} says that ${name} holds ${tensor}, but it does not`,
        );
      }
      this.#home.set(tensor, file);
    }
  }

  #check(): void {
    for (const name of this.#home.keys()) {
      if (name.startsWith('ernie.')) {
        throw new ModelError(
          'unsupported_config',
          name,
          `tensor ${name} belongs to the Paddle layout; take the folder whose name ends in -PT`,
        );
      }
      if (name.startsWith('model.') && name.endsWith('.bias')) {
        throw new ModelError(
          'unsupported_config',
          name,
          `tensor ${name}: biases are not supported`,
        );
      }
    }
    for (const [name, shape] of this.shapes) {
      const info = this.#home.get(name)?.tensors.get(name);
      if (!info) throw new ModelError('missing_tensor', name, `tensor ${name} is missing`);
      if (!(info.dtype in FLOAT_BYTES)) {
        throw new ModelError(
          'wrong_dtype',
          name,
          `tensor ${name} is ${info.dtype}; expected BF16, F16 or F32`,
        );
      }
      if (info.shape.length !== shape.length || info.shape.some((side, i) => side !== shape[i])) {
        throw new ModelError(
          'wrong_shape',
          name,
          `tensor ${name} is [${info.shape.join(', ')}]; config.json asks for [${shape.join(', ')}]`,
        );
      }
    }
  }

  /** Parameters of the model; a tied head counts once. */
  get parameters(): number {
    let sum = 0;
    for (const shape of this.shapes.values()) sum += shape.reduce((a, b) => a * b, 1);
    return sum;
  }

  /** See `SafetensorsFile.readRows`. */
  readRows(name: string, firstRow: number, rows: number, out: Float32Array): void {
    const file = this.#home.get(name);
    if (!file) throw new ModelError('missing_tensor', name, `tensor ${name} is missing`);
    file.readRows(name, firstRow, rows, out);
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}
