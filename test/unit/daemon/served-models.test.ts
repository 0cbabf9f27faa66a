import { expect, it } from 'vitest';
import { servedModels } from '../../../src/daemon/open-http.ts';
import { modelObject } from '../../../src/gateway/http/openai-objects.ts';

const OWN = {
  id: 'nano',
  digest: 'd',
  architecture: 'ernie4_5',
  form: 'int8',
  parameters: 1,
  contextTokens: 10,
};
const endpoint = (name: string, model: string) => ({
  name,
  model,
  base_url: 'http://127.0.0.1/v1',
});

it('names the board’s model and each cloud model once; all of them, or none while the own is unknown', () => {
  const endpoints = [endpoint('a', 'big'), endpoint('b', 'big'), endpoint('c', 'nano')];
  const served = servedModels(OWN, endpoints);
  expect(served.map((model) => modelObject(model, 7))).toEqual([
    {
      id: 'nano',
      object: 'model',
      created: 7,
      owned_by: 'twowatt',
      twowatt: {
        digest: 'd',
        architecture: 'ernie4_5',
        form: 'int8',
        parameters: 1,
        context_tokens: 10,
      },
    },
    { id: 'big', object: 'model', created: 7, owned_by: 'a', twowatt: { endpoint: 'a' } },
  ]);
  expect(servedModels(null, endpoints)).toEqual([]);
});
