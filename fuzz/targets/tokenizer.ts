import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TwowattError } from '../../src/core/index.ts';
import { loadTokenizer } from '../../src/engine/process/tokenizer.ts';
import { codedOnly, ensure, joined, pieces, scratchFolder } from '../expect.ts';

/** tokenizer.json, tokenizer_config.json and chat template, as the engine loads and uses them. */
export const name = 'tokenizer';

const TOKENIZER = {
  version: '1.0',
  added_tokens: [
    { id: 0, content: '<unk>', special: true, normalized: false },
    { id: 1, content: '</s>', special: true, normalized: false },
  ],
  normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  pre_tokenizer: null,
  post_processor: null,
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
    ],
  },
  model: {
    type: 'BPE',
    vocab: { '<unk>': 0, '</s>': 1, a: 2, b: 3, ab: 4, '▁': 5 },
    merges: ['a b'],
    unk_token: '<unk>',
    byte_fallback: true,
  },
};
const TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}";

export function seeds(): Buffer[] {
  const json = JSON.stringify;
  return [
    joined(TEMPLATE, json({ tokenizer_class: 'X', unk_token: '<unk>' }), json(TOKENIZER)),
    joined(
      '',
      json({ chat_template: TEMPLATE, bos_token: '</s>' }),
      json({ ...TOKENIZER, model: { ...TOKENIZER.model, merges: [['a', 'b']] } }),
    ),
    joined(
      '{{ 1/0 }}{{ raise_exception("x") }}',
      '{}',
      json({ ...TOKENIZER, decoder: { type: 'WordPiece' } }),
    ),
    joined(TEMPLATE, '{}', json({ ...TOKENIZER, pre_tokenizer: { type: 'Metaspace' } })),
    joined(TEMPLATE, '[]', json({ model: { vocab: {} } })),
  ];
}

/** Loading the tokenizer's code takes longer than one input may. */
await fuzz(seeds()[0] ?? Buffer.alloc(0));

export async function fuzz(data: Buffer): Promise<void> {
  const folder = join(scratchFolder(), 'tokenizer');
  mkdirSync(folder, { recursive: true });
  const [template, config, model] = pieces(data, 3) as [Buffer, Buffer, Buffer];
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  writeFileSync(join(folder, 'tokenizer_config.json'), config);
  writeFileSync(join(folder, 'tokenizer.json'), model);
  let tokenizer: Awaited<ReturnType<typeof loadTokenizer>>;
  try {
    tokenizer = await loadTokenizer(folder);
  } catch (error) {
    if (error instanceof TwowattError && error.code !== 'internal') return;
    throw error;
  }
  const messages = [{ role: 'user' as const, content: 'ab </s> 好' }];
  const chat = codedOnly(() => tokenizer.encodeChat(messages));
  const text = codedOnly(() => tokenizer.encodeText('ab </s>'));
  for (const id of [...(chat ?? []), ...(text ?? [])]) {
    ensure(Number.isInteger(id) && id >= 0, 'tokens are whole numbers');
    codedOnly(() => tokenizer.bytesOf(id));
  }
}
