/**
 * model: from a Hugging Face folder to what the engine loads.
 *
 * Reads `config.json` and safetensors of model type `ernie4_5`, quantises, writes the ONNX graph that
 * `protocol/model-manifest.ts` promises with its weights as external data, and keeps the results in a
 * cache. Every fault is a `ModelError` that names the tensor, file or key; a converted folder appears
 * whole or not at all. Never loads onnxruntime: that is the engine's business.
 */
export { bundledFault, bundledModelFolder } from './bundled.ts';
export { convertModel, DEFAULT_CONTEXT_TOKENS } from './convert.ts';
export type { ConversionProgress, ConvertOptions } from './convert.ts';
export type { ConversionDisk } from './disk.ts';
export { ModelError } from './errors.ts';
export type { ModelFault } from './errors.ts';
export { findGateFit, parseGateFit } from './gate-file.ts';
export { loadManifest } from './manifest.ts';
export { cpuFeatures, detectTarget } from './target.ts';
export { listModels, locateModel, resolveModel } from './store.ts';
export type { LocatedModel, ModelListing, ResolvedModel, ResolveOptions } from './store.ts';
export { verifyModel } from './verify.ts';
export type { VerifyOptions } from './verify.ts';
export { ERNIE_03B, synthModel } from './synth.ts';
export type { SynthDimensions, SynthOptions } from './synth.ts';
