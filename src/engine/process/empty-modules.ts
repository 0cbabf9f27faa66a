import module from 'node:module';

/**
 * transformers.js imports its runtimes at load time, although tokenizer and chat template need none.
 * These stand-ins keep onnxruntime-web, and a second look at onnxruntime-node, out of the engine's
 * memory. They hold for this process only, and only for imports that transformers makes.
 */
const STAND_INS: Readonly<Record<string, string>> = {
  'onnxruntime-web/webgpu':
    'export const InferenceSession = class {}, Tensor = class {}, env = {};',
  'onnxruntime-node': 'module.exports = { InferenceSession: class {}, Tensor: class {} };',
  'onnxruntime-common': 'export class Tensor {}',
};
const COMMON_JS = new Set(['onnxruntime-node']);
const SCHEME = 'twowatt-empty:';
const IMPORTER = '/@huggingface/transformers/';

/** transformers takes this object for its runtime instead of setting one up. */
const RUNTIME_SYMBOL = Symbol.for('onnxruntime');

/**
 * Call before the first import of transformers. `module.registerHooks` (Node 22.15) sees `require` as
 * well as `import`. Older versions get the asynchronous hooks, which see `import` only: there the
 * `require` of onnxruntime-node finds the very module that the engine uses anyway.
 */
export function leaveOutUnusedModules(): void {
  if (RUNTIME_SYMBOL in globalThis) return;
  Object.assign(globalThis, {
    [RUNTIME_SYMBOL]: { InferenceSession: Object, Tensor: Object, env: {} },
  });
  if (typeof module.registerHooks === 'function') {
    module.registerHooks({
      resolve(specifier, context, next) {
        if (specifier in STAND_INS && context.parentURL?.includes(IMPORTER)) {
          const format = COMMON_JS.has(specifier) ? 'commonjs' : 'module';
          return { url: SCHEME + specifier, format, shortCircuit: true };
        }
        return next(specifier, context);
      },
      load(url, context, next) {
        const source = url.startsWith(SCHEME) ? STAND_INS[url.slice(SCHEME.length)] : undefined;
        if (source === undefined) return next(url, context);
        const format = COMMON_JS.has(url.slice(SCHEME.length)) ? 'commonjs' : 'module';
        return { format, source, shortCircuit: true };
      },
    });
    return;
  }
  module.register(`data:text/javascript,${encodeURIComponent(asyncHooks())}`);
}

/** The same rules as text, since asynchronous hooks live in a thread of their own. */
function asyncHooks(): string {
  const sources = Object.entries(STAND_INS).filter(([name]) => !COMMON_JS.has(name));
  return `
    const sources = new Map(${JSON.stringify(sources)});
    export async function resolve(specifier, context, next) {
      return sources.has(specifier) && context.parentURL?.includes(${JSON.stringify(IMPORTER)})
        ? { url: ${JSON.stringify(SCHEME)} + specifier, format: 'module', shortCircuit: true }
        : next(specifier, context);
    }
    export async function load(url, context, next) {
      return url.startsWith(${JSON.stringify(SCHEME)})
        ? { format: 'module', source: sources.get(url.slice(${SCHEME.length})), shortCircuit: true }
        : next(url, context);
    }`;
}
