import { type Command, InvalidArgumentError, Option } from 'commander';
import { TwowattError } from '../core/index.ts';
import type { ModelListing, SynthDimensions } from '../model/index.ts';
import type { ModelForm, ModelManifest, ModelTarget } from '../protocol/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { createProgressView } from './progress.ts';

type ConversionOptions = CommonOptions & {
  form: ModelForm;
  target: ModelTarget | 'auto';
  context?: number;
};
type ConvertOptions = ConversionOptions & { out?: string };
type SynthOptions = ConversionOptions &
  Partial<SynthDimensions> & {
    out: string;
    untied?: boolean;
    seed: number;
    keepSource?: boolean;
    sourceOnly?: boolean;
  };

/** Verbs of the contract that come with a later version. */
const LATER = {
  pull: 'fetch a model from a hub',
  prune: 'make a model with a smaller vocabulary',
  activate: 'make a model the active one',
  rollback: 'go back to the model before',
  eval: 'measure the answers of a model',
  tokenizer: 'make or check a tokenizer.json',
};

const PHASES = {
  synthesis: 'making random weights',
  weights: 'converting the model',
  digests: 'checking what was written',
};

type Progress = { phase: keyof typeof PHASES; done: number; total: number };

/** Runs long work with a progress view; Ctrl-C or a SIGTERM stops it and leaves nothing half-written. */
async function longWork<Result>(
  body: (context: {
    signal: AbortSignal;
    onProgress: (progress: Progress) => void;
  }) => Promise<Result>,
): Promise<Result> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  for (const signal of signals) process.on(signal, stop);
  const view = createProgressView();
  try {
    return await body({
      signal: interrupt.signal,
      onProgress: ({ phase, done, total }) => view.update(PHASES[phase], done, total),
    });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError(EXIT.interrupted, 'interrupted; nothing half-written was left');
  } finally {
    view.end();
    for (const signal of signals) process.off(signal, stop);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function sizeOf(manifest: ModelManifest): number {
  return manifest.files.reduce((sum, file) => sum + file.bytes, 0);
}

function printModel(verb: string, path: string, manifest: ModelManifest, json: boolean): void {
  const { id, form, target, parameters, digest, dimensions } = manifest;
  const bytes = sizeOf(manifest);
  if (json) {
    const facts = { id, path, form, target, parameters, bytes, digest };
    const shown = { ...facts, context_tokens: dimensions.contextTokens };
    process.stdout.write(`${JSON.stringify(shown)}\n`);
    return;
  }
  const millions = `${(parameters / 1e6).toFixed(1)} M parameters`;
  process.stdout.write(
    `${verb} ${id}: ${form} for ${target}, ${millions}, ${megabytes(bytes)}\n${path}\n`,
  );
}

async function targetFor(options: ConversionOptions): Promise<ModelTarget> {
  if (options.target !== 'auto') return options.target;
  const { detectTarget } = await import('../model/index.ts');
  return detectTarget({ procRoot: loadConfigForCli(options).values.hardware.proc_root });
}

async function convert(source: string, options: ConvertOptions): Promise<void> {
  const { convertModel, resolveModel } = await import('../model/index.ts');
  const { form, context, out } = options;
  const target = await targetFor(options);
  const contextTokens = context === undefined ? {} : { contextTokens: context };
  const { folder, manifest } = await longWork(async (work) => {
    if (out !== undefined) {
      const conversion = { out, form, target, ...contextTokens, ...work };
      return { folder: out, manifest: await convertModel(source, conversion) };
    }
    const cacheFolder = loadConfigForCli(options).values.model.cache_path;
    return await resolveModel({
      path: source,
      cacheFolder,
      form,
      target,
      ...contextTokens,
      ...work,
    });
  });
  printModel('converted', folder, manifest, options.json === true);
}

async function verify(folder: string, options: CommonOptions): Promise<void> {
  const { verifyModel } = await import('../model/index.ts');
  const manifest = await longWork((work) => verifyModel(folder, work));
  printModel('intact:', folder, manifest, options.json === true);
}

async function synth(options: SynthOptions): Promise<void> {
  const { synthModel } = await import('../model/index.ts');
  const { hidden, ffn, layers, heads, kvHeads, headDim, vocab, out, form, seed } = options;
  const given = Object.entries({ hidden, ffn, layers, heads, kvHeads, headDim, vocab });
  const dimensions = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  const target = await targetFor(options);
  const manifest = await longWork((work) =>
    synthModel({
      out,
      form,
      target,
      seed,
      dimensions,
      tied: options.untied !== true,
      keepSource: options.keepSource === true,
      sourceOnly: options.sourceOnly === true,
      ...(options.context === undefined ? {} : { contextTokens: options.context }),
      ...work,
    }),
  );
  if (manifest) return printModel('made', out, manifest, options.json === true);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ path: out })}\n`);
  else process.stdout.write(`made a Hugging Face folder with random weights\n${out}\n`);
}

function printList(models: ModelListing[]): void {
  const rows = models.map((model) => [
    model.id,
    model.origin,
    model.problem === null
      ? [model.converted ? `${model.form} ${model.target}` : 'not converted yet'].join(' ')
      : 'unusable',
    model.parameters === null ? '' : `${(model.parameters / 1e6).toFixed(1)} M`,
    megabytes(model.bytes),
    model.path,
  ]);
  const head = ['MODEL', 'FROM', 'FORM', 'SIZE', 'DISK', 'FOLDER'];
  const widths = head.map((title, i) =>
    Math.max(...[head, ...rows].map((row) => row[i]?.length ?? title.length)),
  );
  for (const row of [head, ...rows]) {
    const line = row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  for (const { id, problem } of models) {
    if (problem !== null) process.stderr.write(`twowatt: ${id}: ${problem}\n`);
  }
}

async function list(options: CommonOptions): Promise<void> {
  const { listModels } = await import('../model/index.ts');
  const { path, cache_path: cacheFolder } = loadConfigForCli(options).values.model;
  const models = await listModels({ cacheFolder, configured: [path] });
  if (options.json === true) process.stdout.write(`${JSON.stringify(models, null, 2)}\n`);
  else printList(models);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('expected a whole number above 0');
  }
  return value;
}

function withConversionOptions(command: Command): Command {
  return withCommonOptions(command)
    .addOption(
      new Option('--form <form>', 'numbers of the result')
        .choices(['int8', 'fp32'])
        .default('int8'),
    )
    .addOption(
      new Option('--target <target>', 'cores it is for; auto looks at this machine')
        .choices(['auto', 'dotprod', 'nodotprod', 'avx2'])
        .default('auto'),
    )
    .option(
      '--context <tokens>',
      'longest context (default 8192, at most what the model can)',
      wholeNumber,
    );
}

export function addModelCommand(program: Command): void {
  const model = program.command('model').description('models on this board');
  withConversionOptions(
    model
      .command('convert')
      .description('turn a Hugging Face folder (ernie4_5) into what the engine loads')
      .argument('<folder>', 'folder with config.json, tokenizer.json and safetensors')
      .option('--out <dir>', 'folder to make (default: the cache, where --model FOLDER finds it)'),
  ).action(action(convert));
  withCommonOptions(
    model.command('list').description('the bundled model, the cache, and the configured one'),
  ).action(action(list));
  withCommonOptions(
    model
      .command('verify')
      .description('check every file of a converted folder against its manifest')
      .argument('<dir>', 'converted folder'),
  ).action(action(verify));
  const synthCommand = withConversionOptions(
    model
      .command('synth')
      .description('ERNIE-4.5-0.3B dimensions with random weights, for benchmarks')
      .requiredOption('--out <dir>', 'folder to make')
      .option('--keep-source', 'keep the Hugging Face folder, as DIR-source')
      .option('--source-only', 'make only the Hugging Face folder')
      .option('--seed <number>', 'of the random weights', wholeNumber, 1)
      .option('--untied', 'a head of its own instead of the embedding'),
  );
  for (const name of ['hidden', 'ffn', 'layers', 'heads', 'kv-heads', 'head-dim', 'vocab']) {
    synthCommand.option(`--${name} <number>`, `other than ERNIE-4.5-0.3B's`, wholeNumber);
  }
  synthCommand.action(action(synth));
  for (const [name, about] of Object.entries(LATER)) {
    model
      .command(name)
      .description(`${about} (comes with a later version)`)
      .argument('[arguments...]')
      .usage('')
      .allowUnknownOption()
      .action(
        action(() => {
          throw new TwowattError('unsupported', `\`twowatt model ${name}\` is not in this version`);
        }),
      );
  }
}
