import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { detectTarget } from '../../../src/model/index.ts';

describe('detectTarget', () => {
  let procRoot: string;
  beforeEach(() => {
    procRoot = mkdtempSync(join(tmpdir(), 'twowatt-proc-'));
  });
  afterEach(() => rmSync(procRoot, { recursive: true }));

  const detect = (cpuinfo: string, arch = 'arm64') => {
    writeFileSync(join(procRoot, 'cpuinfo'), cpuinfo);
    return detectTarget({ procRoot, arch });
  };

  it.each([
    ['Cortex-A76', 'Features\t: fp asimd evtstrm aes crc32 atomics asimddp\n', 'dotprod'],
    ['Cortex-A72', 'Features\t: fp asimd evtstrm crc32 cpuid\n', 'nodotprod'],
    [
      'A55 with dot products beside A53 without',
      'Features : asimd asimddp\nFeatures : asimd\n',
      'nodotprod',
    ],
    ['x86 with AVX-VNNI', 'flags\t\t: fpu avx2 avx_vnni\n', 'dotprod'],
    ['x86 with AVX512-VNNI', 'flags\t\t: fpu avx2 avx512f avx512_vnni\n', 'dotprod'],
    ['x86 with AVX-512 alone', 'flags\t\t: fpu avx2 avx512f avx512bw\n', 'avx2'],
  ])('%s', (_name, cpuinfo, target) => {
    expect(detect(`processor\t: 0\n${cpuinfo}`)).toBe(target);
  });

  it('takes the form that is right everywhere when cpuinfo says nothing', () => {
    expect(detect('nothing here', 'arm64')).toBe('nodotprod');
    expect(detect('nothing here', 'x64')).toBe('avx2');
    expect(detectTarget({ procRoot: join(procRoot, 'absent'), arch: 'x64' })).toBe('avx2');
  });
});
