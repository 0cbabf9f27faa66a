import type { ModelFault } from '../../model/index.ts';
import type { ModelLook, Outcomes, VerifyFacts } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, factsOf, fail, note, ok, warn } from './check.ts';
import { bytesText, shellPath, shortDigest } from './figures.ts';

function judgeFound(model: ModelLook): Verdict {
  const named = model.wanted === '' ? ' (bundled)' : '';
  switch (model.state) {
    case 'converted': {
      const { id, form, target, parameters, digest } = model.manifest;
      const size = `${form} for ${target}, ${(parameters / 1e6).toFixed(1)} M parameters`;
      const bytes = bytesText(model.manifest.files.reduce((sum, file) => sum + file.bytes, 0));
      const digestText = `sha256 ${shortDigest(digest)}`;
      return ok(`${id}${named}: ${size}, ${bytes}, ${digestText}, ${model.folder}`);
    }
    case 'unconverted':
      return note(
        `${model.source}${named} is not converted yet; the first start does it (for ${model.target})`,
        'To have it done now, convert it.',
        `twowatt model convert ${shellPath(model.source)}`,
      );
    case 'unusable':
      return judgeUnusable(model);
  }
}

/** The folder is there, its content is not what its manifest says. */
const DAMAGED: ReadonlySet<ModelFault | null> = new Set(['truncated', 'corrupt', 'bad_manifest']);

function judgeUnusable({ wanted, fault, message }: ModelLook & { state: 'unusable' }): Verdict {
  if (fault === 'missing_file') {
    return fail(
      message,
      'Set model.path to a model that is there, or leave it out for the bundled one.',
      'twowatt model list',
    );
  }
  if (DAMAGED.has(fault)) {
    return fail(
      message,
      'Copy or convert the model again; this shows which file is at fault.',
      `twowatt model verify ${shellPath(wanted)}`,
    );
  }
  return fail(message, 'Give model.path a folder that this version can use.', 'twowatt model list');
}

function judgeIntact(verify: VerifyFacts, all: Outcomes): Verdict {
  const model = factsOf(all, 'model');
  if (verify.intact === null || model?.state !== 'converted') return null;
  const { files } = model.manifest;
  if (verify.intact) return ok(`all ${files.length} files have the digests of the manifest`);
  if (!model.cached) {
    return fail(
      verify.message,
      'Copy or convert the model again; this shows when it is whole.',
      `twowatt model verify ${shellPath(model.folder)}`,
    );
  }
  return fail(
    verify.message,
    'Delete the converted folder; the next start makes it anew from its source, if that is still there.',
    `rm -r ${shellPath(model.folder)}`,
  );
}

function judgeCores(model: ModelLook, all: Outcomes): Verdict {
  const cpu = factsOf(all, 'board')?.cpu;
  if (model.state !== 'converted' || cpu === undefined || cpu.features === null) return null;
  const { target } = model.manifest;
  if (target === cpu.target) return ok(`the graph is for ${target}, which suits this processor`);
  return warn(
    `the graph is for ${target}, this processor wants ${cpu.target}: slower, and on avx2 less exact`,
    'Convert the model again on this board, from its Hugging Face folder.',
    'twowatt model convert FOLDER',
  );
}

/** The two processes without a model, resident: 79 + 100 MB (docs/performance.md, x64). */
const PROCESSES_BYTES = 180e6;
/** What a long prefill takes beyond that at its peak, by the size of the weights (docs/performance.md: 705 MB). */
const PEAK_SHARE = 0.55;
/** Left over for others while the daemon runs and has its memory already. */
const LEAST_SPARE_BYTES = 50e6;

function judgeMemory(model: ModelLook, all: Outcomes): Verdict {
  const availableBytes = factsOf(all, 'board')?.availableBytes ?? null;
  if (model.state !== 'converted') return null;
  const held = model.weightBytes + model.cacheBytes * model.slots + PROCESSES_BYTES;
  const peak = held + PEAK_SHARE * model.weightBytes;
  const needs = `it needs about ${bytesText(held)}, ${bytesText(peak)} at its peak`;
  if (availableBytes === null) return note(`${needs}; free memory is not known`);
  const free = `${bytesText(availableBytes)} free`;
  if (factsOf(all, 'storage')?.journal.state === 'open') {
    const text = `${free} beside the running daemon (${needs})`;
    if (availableBytes >= LEAST_SPARE_BYTES) return ok(text);
    return warn(text, 'See what else takes memory.', 'ps -eo rss,comm --sort=-rss | head');
  }
  const text = `${free}; ${needs}`;
  const smaller = 'Stop other programs, shorten the context, or use a smaller model.';
  if (availableBytes < held) return fail(text, smaller, 'model: { context_tokens: 512 }');
  if (availableBytes < peak) return warn(text, smaller, 'model: { context_tokens: 512 }');
  return ok(text);
}

export const modelChecks = [
  check('model', { id: 'model.found', group: 'model', title: 'Model' }, judgeFound),
  check('verify', { id: 'model.intact', group: 'model', title: 'Files' }, judgeIntact),
  check('model', { id: 'model.cores', group: 'model', title: 'Graph form' }, judgeCores),
  check('model', { id: 'model.memory', group: 'model', title: 'Memory' }, judgeMemory),
  check('deep', { id: 'model.answer', group: 'model', title: 'Real prompt' }, (deep) => {
    if (!deep.ok) {
      return fail(deep.message, 'The other lines may say why; ask once more.', 'twowatt ask hello');
    }
    const { by, tokens, tokensPerS, ttftMs, totalMs } = deep;
    const rate = `${Number(tokensPerS.toPrecision(3))} tokens/s`;
    const times = `first token after ${Math.round(ttftMs)} ms, ${tokens} tokens in ${(totalMs / 1000).toFixed(1)} s`;
    return ok(`${rate}, ${times} (${by})`);
  }),
];
