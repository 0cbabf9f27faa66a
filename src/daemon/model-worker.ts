/**
 * Finds the configured model and converts it if need be, in a process of its own: conversion takes
 * minutes of one core for a big model, and its memory should be gone afterwards. Talks to
 * prepare-model.ts over the IPC channel.
 */
import { silentLogger, toTwowattError } from '../core/index.ts';
import type { ModelTrouble } from '../engine/index.ts';
import { bundledFault, findGateFit, ModelError, resolveModel } from '../model/index.ts';
import type { PrepareRequest, PrepareReply } from './prepare-model.ts';

function troubleOf(error: unknown): ModelTrouble {
  if (!(error instanceof ModelError)) return 'engine_unavailable';
  if (error.fault === 'missing_file') return 'model_missing';
  return error.fault === 'disk_full' ? 'engine_unavailable' : 'model_corrupt';
}

process.once('message', (message) => {
  void (async () => {
    const request = message as PrepareRequest;
    let reply: PrepareReply;
    try {
      const notes: string[] = [];
      const { source, folder, manifest } = await resolveModel({
        ...request,
        onDamaged: (fault) =>
          notes.push(`the converted model was damaged (${fault.message}) and was made anew`),
      });
      const fault = request.path === '' ? bundledFault(manifest) : undefined;
      if (fault) throw fault;
      const noting = { ...silentLogger, warn: (_: object, note: string) => notes.push(note) };
      const gate = findGateFit([folder, source], manifest, noting);
      reply = { ok: true, folder, manifest, gate, notes };
    } catch (error) {
      reply = { ok: false, trouble: troubleOf(error), error: toTwowattError(error).toBody() };
    }
    process.send?.(reply, () => process.disconnect());
  })();
});
