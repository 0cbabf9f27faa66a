import { describe, expect, it } from 'vitest';
import { type ErnieConfig, parseConfig } from '../../../src/model/config.ts';
import { ModelError } from '../../../src/model/index.ts';

const ERNIE = {
  model_type: 'ernie4_5',
  hidden_act: 'silu',
  hidden_size: 1024,
  intermediate_size: 3072,
  num_hidden_layers: 18,
  num_attention_heads: 16,
  num_key_value_heads: 2,
  head_dim: 128,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  use_bias: false,
  tie_word_embeddings: true,
  vocab_size: 103424,
  eos_token_id: 2,
};

describe('parseConfig', () => {
  it('reads ERNIE-4.5-0.3B', () => {
    expect(parseConfig(ERNIE)).toEqual({
      hidden: 1024,
      ffn: 3072,
      layers: 18,
      heads: 16,
      kvHeads: 2,
      headDim: 128,
      vocab: 103424,
      maxPositions: 131072,
      normEpsilon: 1e-5,
      ropeTheta: 500000,
      tied: true,
      eosTokenIds: [2],
    } satisfies ErnieConfig);
  });

  it('derives what may be absent', () => {
    const { head_dim: _absent, tie_word_embeddings: _tied, ...rest } = ERNIE;
    expect(parseConfig(rest)).toMatchObject({ headDim: 64, tied: true });
    const { num_key_value_heads: _kv, ...plain } = ERNIE;
    expect(parseConfig(plain).kvHeads).toBe(16);
    expect(parseConfig({ ...ERNIE, eos_token_id: [4, 2] }).eosTokenIds).toEqual([4, 2]);
  });

  it('finds the RoPE base where newer transformers write it', () => {
    const { rope_theta: _old, ...rest } = ERNIE;
    const rope = { rope_type: 'default', rope_theta: 10000 };
    expect(parseConfig({ ...rest, rope_parameters: rope }).ropeTheta).toBe(10000);
  });

  it.each([
    ['another architecture', { model_type: 'llama' }, 'unknown_model_type', 'model_type'],
    ['a mixture of experts', { model_type: 'ernie4_5_moe' }, 'unknown_model_type', 'model_type'],
    ['no model type', { model_type: undefined }, 'unknown_model_type', 'model_type'],
    ['biases', { use_bias: true }, 'unsupported_config', 'use_bias'],
    ['another activation', { hidden_act: 'gelu' }, 'unsupported_config', 'hidden_act'],
    ['scaled RoPE', { rope_scaling: { type: 'yarn' } }, 'unsupported_config', 'rope_scaling'],
    [
      'scaled RoPE, new style',
      { rope_parameters: { rope_type: 'yarn' } },
      'unsupported_config',
      'rope_parameters',
    ],
    ['compressed positions', { compression_ratio: 2 }, 'unsupported_config', 'compression_ratio'],
    ['a size in words', { hidden_size: '1024' }, 'bad_config', 'hidden_size'],
    ['no layers', { num_hidden_layers: 0 }, 'bad_config', 'num_hidden_layers'],
    ['an absurd vocabulary', { vocab_size: 1e12 }, 'bad_config', 'vocab_size'],
    ['heads that do not divide', { num_key_value_heads: 3 }, 'bad_config', 'num_key_value_heads'],
    ['an odd head', { head_dim: 127 }, 'bad_config', 'head_dim'],
    [
      'a fractional head',
      { head_dim: undefined, num_attention_heads: 12, num_key_value_heads: 2 },
      'bad_config',
      'head_dim',
    ],
    ['eos beyond the vocabulary', { eos_token_id: 103424 }, 'bad_config', 'eos_token_id'],
    ['an epsilon of zero', { rms_norm_eps: 0 }, 'bad_config', 'rms_norm_eps'],
  ])('refuses %s', (_name, change, fault, param) => {
    let thrown: unknown;
    try {
      parseConfig({ ...ERNIE, ...change });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ModelError);
    expect(thrown).toMatchObject({ code: 'model_unavailable', fault, param });
  });
});
