import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bundledModelFolder,
  convertModel,
  listModels,
  resolveModel,
  type ResolveOptions,
  verifyModel,
} from '../../../src/model/index.ts';
import { copyTiny, editJson } from './hf-folder.ts';

const ROOM = new URL('../../../src/model/index.ts', import.meta.url).href;
const run = promisify(execFile);

let scratch: string;
let cacheFolder: string;
let folder: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-store-'));
  cacheFolder = join(scratch, 'cache');
  folder = copyTiny(scratch);
});
afterEach(() => rmSync(scratch, { recursive: true }));

/** Resolves, and tells whether a conversion was needed. */
async function resolve(options: Partial<ResolveOptions> = {}) {
  let converted = false;
  const onProgress = () => {
    converted = true;
  };
  const model = await resolveModel({
    path: folder,
    cacheFolder,
    target: 'dotprod',
    onProgress,
    ...options,
  });
  return { ...model, converted };
}

describe('resolveModel', () => {
  it('converts once, then finds the cached folder', async () => {
    const first = await resolve();
    expect(first.converted).toBe(true);
    const second = await resolve();
    expect(second).toEqual({ ...first, converted: false });
    expect(readdirSync(cacheFolder)).toEqual([basename(first.folder)]);
    await verifyModel(second.folder);
  });

  it('keeps forms and targets apart', async () => {
    const folders = new Set<string>();
    for (const form of ['int8', 'fp32'] as const) {
      for (const target of ['dotprod', 'avx2'] as const) {
        const model = await resolve({ form, target });
        expect(model.manifest).toMatchObject({ form, target });
        folders.add(model.folder);
      }
    }
    expect(folders.size).toBe(4);
  });

  it('notices changed weights and a changed configuration', async () => {
    const first = await resolve();
    const weights = join(folder, 'model.safetensors');
    utimesSync(weights, 1, 1);
    const touched = await resolve();
    expect(touched.converted).toBe(true);
    editJson(folder, 'generation_config.json', { eos_token_id: 9 });
    const edited = await resolve();
    expect(edited.converted).toBe(true);
    expect(edited.manifest.eosTokenIds).toContain(9);
    expect(new Set([first.folder, touched.folder, edited.folder]).size).toBe(3);
  });

  it('makes a damaged cache entry anew', async () => {
    const first = await resolve();
    truncateSync(join(first.folder, 'model.onnx.data'), 1000);
    const second = await resolve();
    expect(second).toEqual(first);
    await verifyModel(second.folder);
  });

  it('notices a single flipped bit: a cache entry is made anew, a folder of one’s own is refused', async () => {
    const flip = (path: string) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1]! ^= 0x10;
      writeFileSync(path, bytes);
    };
    const first = await resolve();
    flip(join(first.folder, 'model.onnx.data'));
    const faults: string[] = [];
    const second = await resolve({
      onDamaged: ({ fault, param }) => faults.push(`${fault} ${param}`),
    });
    expect(faults).toEqual(['corrupt model.onnx.data']);
    expect(second).toEqual(first);
    await verifyModel(second.folder);

    const own = join(scratch, 'own');
    await convertModel(folder, { out: own });
    flip(join(own, 'model.onnx.data'));
    await expect(resolve({ path: own })).rejects.toMatchObject({
      fault: 'corrupt',
      param: 'model.onnx.data',
    });
  });

  it('uses a converted folder as it is, after checking its manifest', async () => {
    const out = join(scratch, 'converted');
    const manifest = await convertModel(folder, { out, form: 'fp32' });
    expect(await resolve({ path: out })).toEqual({
      source: out,
      folder: out,
      manifest,
      converted: false,
    });
    writeFileSync(join(out, 'twowatt.json'), '{}');
    await expect(resolve({ path: out })).rejects.toMatchObject({ fault: 'bad_manifest' });
  });

  it('finds models by name, and the bundled one by default', async () => {
    const cached = await resolve();
    expect((await resolve({ path: 'tiny' })).folder).toBe(cached.folder);
    expect((await resolve({ path: basename(cached.folder) })).folder).toBe(cached.folder);
    const bundled = await resolve({ path: '' });
    expect(bundled.manifest.id).toBe('twowatt-nano');
    expect((await resolve({ path: 'twowatt-nano' })).folder).toBe(bundled.folder);
  });

  it('says what it cannot find', async () => {
    await expect(resolve({ path: 'baidu/ERNIE-4.5-0.3B-PT' })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await expect(resolve({ path: './nowhere/at/all' })).rejects.toMatchObject({
      fault: 'missing_file',
    });
  });

  it('detects the target from the board', async () => {
    const procRoot = join(scratch, 'proc');
    mkdirSync(procRoot);
    writeFileSync(join(procRoot, 'cpuinfo'), 'Features\t: fp asimd\n');
    const { manifest } = await resolveModel({ path: folder, cacheFolder, procRoot });
    expect(manifest.target).toBe('nodotprod');
  });

  it('lets several processes ask at once: one converts, all get the same', async () => {
    const script = `
      import { resolveModel } from ${JSON.stringify(ROOM)};
      let converted = false;
      const { folder, manifest } = await resolveModel({
        path: ${JSON.stringify(bundledModelFolder())},
        cacheFolder: ${JSON.stringify(cacheFolder)},
        target: 'dotprod',
        onProgress: () => { converted = true; },
      });
      console.log(JSON.stringify({ folder, digest: manifest.digest, converted }));`;
    const args = ['--input-type=module', '--eval', script];
    const outputs = await Promise.all([1, 2, 3, 4].map(() => run(process.execPath, args)));
    const answers = outputs.map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
    expect(answers.filter((answer) => answer['converted'] === true)).toHaveLength(1);
    expect(
      new Set(answers.map(({ folder: made, digest }) => `${String(made)} ${String(digest)}`)).size,
    ).toBe(1);
    expect(readdirSync(cacheFolder)).toEqual([basename(answers[0]?.['folder'] as string)]);
  });

  it('takes over the lock of a process that died', async () => {
    const { folder: made } = await resolve();
    const name = basename(made);
    rmSync(cacheFolder, { recursive: true });
    const lock = join(cacheFolder, `.${name}.lock`);
    mkdirSync(lock, { recursive: true });
    // Our own pid with another start time: the pid was given to a new process.
    writeFileSync(join(lock, 'owner'), `${process.pid}-1`);
    expect((await resolve()).converted).toBe(true);
    expect(readdirSync(cacheFolder)).toEqual([name]);
  });
});

describe('listModels', () => {
  it('shows the bundled model, the cache and what is configured', async () => {
    const cached = await resolve();
    const broken = join(scratch, 'broken');
    mkdirSync(broken);
    const configured = [folder, broken, '', 'tiny'];
    const models = await listModels({ cacheFolder, configured });
    expect(models.map(({ id, origin, converted }) => ({ id, origin, converted }))).toEqual([
      { id: 'twowatt-nano', origin: 'bundled', converted: false },
      { id: 'tiny', origin: 'cache', converted: true },
      { id: 'tiny', origin: 'configured', converted: false },
      { id: 'broken', origin: 'configured', converted: false },
    ]);
    expect(models[1]).toMatchObject({ path: cached.folder, digest: cached.manifest.digest });
    expect(models[3]?.problem).toContain('config.json');
    expect(models.slice(0, 3).every((model) => model.problem === null)).toBe(true);
  });

  it('shows the bundled model when there is no cache yet', async () => {
    const models = await listModels({ cacheFolder: join(scratch, 'absent') });
    expect(models.map((model) => model.path)).toEqual([bundledModelFolder()]);
  });
});
