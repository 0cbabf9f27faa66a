import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ErrorBody, TwowattError } from '../core/index.ts';
import type { ModelTrouble } from '../engine/index.ts';
import type { GateFit, ModelForm, ModelManifest } from '../protocol/index.ts';
import { PrepareError } from './model-engine.ts';

export type PrepareRequest = {
  /** Model folder, name or '' for the bundled model. */
  path: string;
  cacheFolder: string;
  form: ModelForm;
  contextTokens: number;
  procRoot: string;
};
export type PreparedModel = {
  folder: string;
  manifest: ModelManifest;
  /** The confidence gate that was fitted to this build; null where there is none. */
  gate: GateFit | null;
  /** What the log should say of it. */
  notes: string[];
};
export type PrepareReply =
  | ({ ok: true } & PreparedModel)
  | {
      ok: false;
      trouble: ModelTrouble;
      error: ErrorBody;
    };

/** Runs model-worker.ts; aborting `signal` kills it, and nothing half-written stays. */
export async function prepareModel(
  request: PrepareRequest,
  signal: AbortSignal,
): Promise<PreparedModel> {
  // Beside this file: .ts when running from the sources, .js when built.
  const worker = fileURLToPath(
    new URL(`./model-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  );
  const child = fork(worker, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    signal,
    killSignal: 'SIGTERM',
  });
  const reply = await new Promise<PrepareReply>((resolve, reject) => {
    let received: PrepareReply | undefined;
    child.on('message', (message) => {
      received = message as PrepareReply;
    });
    child.on('error', reject);
    child.on('exit', (code, killedBy) => {
      if (received) resolve(received);
      else {
        const how = killedBy === null ? `exit code ${code}` : killedBy;
        reject(new TwowattError('model_unavailable', `preparing the model ended with ${how}`));
      }
    });
    // Where no process came to be there is no channel either; 'error' says why.
    if (child.connected) child.send(request);
  });
  if (!reply.ok) throw new PrepareError(reply.trouble, reply.error);
  const { folder, manifest, gate, notes } = reply;
  return { folder, manifest, gate, notes };
}
