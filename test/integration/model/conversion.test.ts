import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bundledModelFolder,
  type ConversionDisk,
  convertModel,
  loadManifest,
  verifyModel,
} from '../../../src/model/index.ts';
import { decodeModel } from '../../../src/model/onnx-schema.ts';
import { copyTiny, editJson, TINY } from './hf-folder.ts';
import { realDisk } from '../../../src/model/disk.ts';

const ROOM = new URL('../../../src/model/index.ts', import.meta.url).href;

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-convert-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

/** A process that converts the nano model and stands still when `phase` is `part` done. */
function spawnStalling(out: string, phase: 'weights' | 'digests', part: number): ChildProcess {
  const script = `
    import { writeSync } from 'node:fs';
    import { convertModel } from ${JSON.stringify(ROOM)};
    await convertModel(${JSON.stringify(bundledModelFolder())}, {
      out: ${JSON.stringify(out)},
      onProgress({ phase, done, total }) {
        if (phase !== '${phase}' || done < ${part} * total) return;
        writeSync(1, 'stalled');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      },
    });`;
  const args = ['--input-type=module', '--eval', script];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

describe('atomicity', () => {
  it.each([
    ['weights', 0.1],
    ['weights', 1],
    ['digests', 0.5],
    ['digests', 1],
  ] as const)(
    'SIGKILL at %s %d leaves no model, and the next conversion cleans up',
    async (phase, part) => {
      const out = join(scratch, 'model');
      const child = spawnStalling(out, phase, part);
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      const gone = once(child, 'exit');
      // While it lives, its work is left alone by others.
      await convertModel(TINY, { out: join(scratch, 'other') });
      expect(readdirSync(scratch)).toHaveLength(2);
      child.kill('SIGKILL');
      await gone;
      expect(existsSync(out)).toBe(false);
      await convertModel(bundledModelFolder(), { out });
      expect(readdirSync(scratch).toSorted()).toEqual(['model', 'other']);
      await verifyModel(out);
    },
  );

  it('an abort ends in a coded error and leaves nothing', async () => {
    const stop = new AbortController();
    const out = join(scratch, 'model');
    const conversion = convertModel(TINY, {
      out,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(conversion).rejects.toMatchObject({ code: 'cancelled' });
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('refuses to replace a folder that is not a model, and replaces one that is', async () => {
    const out = join(scratch, 'model');
    mkdirSync(out);
    writeFileSync(join(out, 'thesis.txt'), 'precious');
    await expect(convertModel(TINY, { out })).rejects.toMatchObject({ fault: 'folder_in_use' });
    expect(readdirSync(out)).toEqual(['thesis.txt']);
    rmSync(join(out, 'thesis.txt'));
    await convertModel(TINY, { out });
    const again = await convertModel(TINY, { out, form: 'fp32' });
    expect(loadManifest(out)).toEqual(again);
    expect(readdirSync(scratch)).toEqual(['model']);
  });
});

describe('a full disk', () => {
  const roomy = { freeBytes: () => Number.MAX_SAFE_INTEGER };

  it('is noticed before anything is written', async () => {
    const disk: ConversionDisk = {
      freeBytes: () => 1_000_000,
      write: () => expect.unreachable('nothing may be written'),
    };
    const conversion = convertModel(TINY, { out: join(scratch, 'model'), disk });
    await expect(conversion).rejects.toMatchObject({ fault: 'disk_full' });
    expect(readdirSync(scratch)).toEqual([]);
  });

  it.each([0, 5000, 300_000])('after %d bytes leaves nothing', async (limit) => {
    let written = 0;
    const disk: ConversionDisk = {
      ...roomy,
      write(descriptor, bytes, from, position) {
        if (written >= limit) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        // Short writes are what a nearly full disk gives.
        const count = Math.min(bytes.length - from, limit - written, 1000);
        written += count;
        return writeSync(descriptor, bytes, from, count, position);
      },
    };
    const conversion = convertModel(TINY, { out: join(scratch, 'model'), disk });
    await expect(conversion).rejects.toMatchObject({
      code: 'model_unavailable',
      fault: 'disk_full',
    });
    expect(readdirSync(scratch)).toEqual([]);
  });

  it.skipIf(!mountWorks())('of a real file system leaves nothing', async () => {
    const mount = join(scratch, 'small');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]);
    try {
      const out = join(mount, 'model');
      await expect(convertModel(TINY, { out })).rejects.toMatchObject({ fault: 'disk_full' });
      const conversion = convertModel(TINY, {
        out,
        disk: { ...roomy, write: (...to) => realDisk.write(...to) },
      });
      await expect(conversion).rejects.toMatchObject({ fault: 'disk_full' });
      expect(readdirSync(mount)).toEqual([]);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});

function mountWorks(): boolean {
  if (process.getuid?.() !== 0) return false;
  const probe = mkdtempSync(join(tmpdir(), 'twowatt-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

describe('what is written', () => {
  it('is the same bytes each time', async () => {
    const first = await convertModel(TINY, { out: join(scratch, 'a') });
    const second = await convertModel(TINY, { out: join(scratch, 'b') });
    expect(second).toEqual(first);
  });

  it('shares the bytes of the embedding with the head for cores with dot products', async () => {
    for (const target of ['dotprod', 'nodotprod'] as const) {
      const out = join(scratch, target);
      await convertModel(TINY, { out, target });
      const { graph } = decodeModel(readFileSync(join(out, 'model.onnx')));
      const offset = (name: string) =>
        graph.initializer
          .find((tensor) => tensor.name === name)
          ?.externalData?.find(({ key }) => key === 'offset')?.value;
      expect(offset('embedding.weight')).toMatch(/^\d+$/);
      expect(offset('head.weight') === offset('embedding.weight')).toBe(target === 'dotprod');
      const offsets = graph.initializer.flatMap((tensor) => tensor.externalData ?? []);
      for (const { key, value } of offsets) {
        if (key === 'offset') expect(Number(value) % 4096).toBe(0);
      }
    }
  });

  it('ends answers at the ids of both configs and at the separator of the template', async () => {
    const folder = copyTiny(scratch);
    editJson(folder, 'generation_config.json', { eos_token_id: [7, 8] });
    const { eosTokenIds } = await convertModel(folder, { out: join(scratch, 'model') });
    expect(eosTokenIds).toEqual([2, 4, 7, 8]);
  });

  it('covers the asked context, at most what the model can', async () => {
    const covered = async (contextTokens?: number) => {
      const options = contextTokens === undefined ? {} : { contextTokens };
      const manifest = await convertModel(TINY, { out: join(scratch, 'model'), ...options });
      return manifest.dimensions.contextTokens;
    };
    expect(await covered()).toBe(4096);
    expect(await covered(100)).toBe(100);
    expect(await covered(1_000_000)).toBe(4096);
  });
});

describe('verifyModel and loadManifest', () => {
  let out: string;
  beforeEach(async () => {
    out = join(scratch, 'model');
    await convertModel(TINY, { out });
  });

  const manifestPath = () => join(out, 'twowatt.json');
  const readText = () => readFileSync(manifestPath(), 'utf8');

  it('finds a flipped bit of the weights', async () => {
    const path = join(out, 'model.onnx.data');
    const bytes = readFileSync(path);
    bytes[200_000] = (bytes[200_000] as number) ^ 1;
    writeFileSync(path, bytes);
    expect(loadManifest(out).id).toBe('ernie-tiny');
    await expect(verifyModel(out)).rejects.toMatchObject({
      fault: 'corrupt',
      param: 'model.onnx.data',
    });
  });

  it('finds a file that is cut off or gone', () => {
    writeFileSync(join(out, 'tokenizer.json'), '{}');
    expect(() => loadManifest(out)).toThrow(
      expect.objectContaining({ fault: 'truncated', param: 'tokenizer.json' }),
    );
    rmSync(join(out, 'tokenizer.json'));
    expect(() => loadManifest(out)).toThrow(
      expect.objectContaining({ fault: 'missing_file', param: 'tokenizer.json' }),
    );
  });

  it.each([
    ['"format": 1', '"format": 2'],
    ['"model.onnx.data"', '"../model.onnx.data"'],
    ['"model.onnx.data"', '"model.onnx"'],
    ['"bytes": ', '"bytes": -'],
    ['"sha256": "', '"sha256": "0'],
    ['"target": "dotprod"', '"target": "gpu"'],
    ['"layers": 2', '"layers": 0'],
    ['"eosTokenIds": [', '"eosTokenIds": [9999,'],
    ['{', ''],
  ])('refuses a manifest in which %s became %s', (from, to) => {
    const text = readText();
    expect(text).toContain(from);
    writeFileSync(manifestPath(), text.replace(from, to));
    expect(() => loadManifest(out)).toThrow(expect.objectContaining({ fault: 'bad_manifest' }));
  });

  it('refuses a manifest whose list was changed without its digest', () => {
    const { files } = loadManifest(out);
    const sha256 = files[0]?.sha256 as string;
    writeFileSync(manifestPath(), readText().replace(sha256, sha256.replaceAll(/./g, 'a')));
    expect(() => loadManifest(out)).toThrow(expect.objectContaining({ fault: 'bad_manifest' }));
  });

  it.each([
    ['"hidden": 64', '"hidden": 32'],
    ['"ffn": 192', '"ffn": 200'],
    ['"layers": 2', '"layers": 3'],
    ['"layers": 2', '"layers": 1'],
    ['"heads": 4', '"heads": 8'],
    ['"headDim": 32', '"headDim": 16'],
    ['"vocab": 512', '"vocab": 511'],
    ['"contextTokens": 4096', '"contextTokens": 8192'],
  ])('finds that the graph is not what a manifest with %s → %s says', async (from, to) => {
    const text = readText();
    expect(text).toContain(from);
    writeFileSync(manifestPath(), text.replace(from, to));
    await expect(verifyModel(out)).rejects.toMatchObject({ fault: 'corrupt', param: 'model.onnx' });
  });
});
