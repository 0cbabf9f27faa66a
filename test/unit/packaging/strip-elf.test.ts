import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElf, stripElf } from '../../../packaging/strip-elf.ts';

describe('stripping an ELF file', () => {
  let folder: string;
  const node = readFileSync(process.execPath);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-strip-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('makes Node more than a tenth smaller, and it still runs', () => {
    const stripped = stripElf(node);
    expect(stripped.length).toBeLessThan(node.length * 0.9);
    const file = join(folder, 'node');
    writeFileSync(file, stripped);
    chmodSync(file, 0o755);
    const version = execFileSync(file, ['-p', 'process.version'], { encoding: 'utf8' });
    expect(version.trim()).toBe(process.version);
  });

  it('keeps every byte that is loaded, and names the sections that are left', () => {
    const stripped = stripElf(node);
    // Between the file's header, which names the section table, and the tail that was cut.
    const loaded = (file: Buffer) => file.subarray(0x40, stripped.length - 100_000);
    expect(loaded(stripped).equals(loaded(node))).toBe(true);
    expect(stripped.includes('.dynsym\0')).toBe(true);
    expect(stripped.subarray(-10_000).includes('.symtab\0')).toBe(false);
  });

  it('leaves alone what is stripped already', () => {
    const once = stripElf(node);
    expect(stripElf(once) === once).toBe(true);
  });

  it('refuses what it does not understand', () => {
    expect(isElf(Buffer.from('#!/bin/sh'))).toBe(false);
    expect(() => stripElf(Buffer.from('#!/bin/sh'))).toThrow('64-bit little-endian ELF');
    const thirtyTwoBit = Buffer.from(node.subarray(0, 200));
    thirtyTwoBit[4] = 1;
    expect(() => stripElf(thirtyTwoBit)).toThrow('64-bit little-endian ELF');
  });
});
