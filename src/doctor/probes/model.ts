import { resolve } from 'node:path';
import type { Config } from '../../config/index.ts';
import { TwowattError } from '../../core/index.ts';
import { type LocatedModel, locateModel, ModelError, verifyModel } from '../../model/index.ts';
import { WEIGHTS_FILE } from '../../protocol/index.ts';
import type { ModelLook, VerifyFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';

/** The model that the daemon would load; nothing is converted. */
export const locateConfigured = ({ model, hardware }: Config): Promise<LocatedModel> =>
  locateModel({
    path: model.path,
    cacheFolder: model.cache_path,
    form: model.dtype,
    contextTokens: model.context_tokens,
    procRoot: hardware.proc_root,
  });

/** float32 keys and values. */
const CACHE_VALUE_BYTES = 4;

export async function lookAtModel({ config }: ProbeContext): Promise<ModelLook> {
  const { model } = config.values;
  const wanted = model.path;
  let located: LocatedModel;
  try {
    located = await locateConfigured(config.values);
  } catch (error) {
    if (!(error instanceof TwowattError)) throw error;
    const fault = error instanceof ModelError ? error.fault : null;
    return { wanted, state: 'unusable', fault, message: error.message };
  }
  if (!located.converted) {
    const { source, folder, conversion } = located;
    return { wanted, state: 'unconverted', source, folder, target: conversion.target };
  }
  const { folder, manifest } = located;
  const { layers, kvHeads, headDim, contextTokens } = manifest.dimensions;
  return {
    wanted,
    state: 'converted',
    folder,
    cached: folder !== resolve(wanted),
    manifest,
    weightBytes: manifest.files.find(({ name }) => name === WEIGHTS_FILE)?.bytes ?? 0,
    cacheBytes:
      2 *
      layers *
      kvHeads *
      headDim *
      CACHE_VALUE_BYTES *
      Math.min(contextTokens, model.context_tokens),
    slots: model.slots,
  };
}

/** Reads the model's files through; `intact: null` when there is no converted model to read. */
export async function verifyLocatedModel({ config }: ProbeContext): Promise<VerifyFacts> {
  try {
    const located = await locateConfigured(config.values);
    if (!located.converted) return { intact: null };
    await verifyModel(located.folder);
    return { intact: true };
  } catch (error) {
    if (!(error instanceof ModelError)) return { intact: null };
    return { intact: false, message: error.message };
  }
}
