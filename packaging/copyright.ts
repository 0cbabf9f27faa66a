import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LockedPackage } from './production-packages.ts';

type Manifest = { license?: string; author?: string | { name?: string } };

/** Where a package came from: itself, and its folder with all files. */
export type PackageSource = { package: LockedPackage; folder: string };

/** Debian has these texts on every machine and wants no copies. */
const COMMON_LICENCES: Readonly<Record<string, string>> = {
  'Apache-2.0': 'Apache-2.0',
};

/** Packages whose tarball has no licence file, and who holds the copyright there. */
const HOLDERS: Readonly<Record<string, string>> = {
  'abstract-logging': 'James Sumners',
  'onnxruntime-common': 'Microsoft Corporation',
  'onnxruntime-node': 'Microsoft Corporation',
  '@koromix/koffi-linux-x64': 'Niels Martignène',
  '@koromix/koffi-linux-arm64': 'Niels Martignène',
};

/**
 * debian/copyright (machine-readable, version 1.0) with the licence of everything that is bundled.
 *
 * @throws Error for a package with no licence file that `HOLDERS` does not know, or a licence without
 * a text anywhere
 */
export function renderCopyright(sources: readonly PackageSource[]): string {
  const stanzas: string[] = [];
  /** Same text, same short name: MIT texts differ in their copyright line only. */
  const names = new Map<string, string>();
  const texts: string[] = [];

  const nameFor = (licence: string, text: string): string => {
    const key = `${licence}\n${text.replaceAll(/\W+/g, ' ').toLowerCase()}`;
    const known = names.get(key);
    if (known !== undefined) return known;
    const taken = [...names.values()].filter((name) => name.replace(/-\d+$/, '') === licence);
    const name = taken.length === 0 ? licence : `${licence}-${taken.length + 1}`;
    names.set(key, name);
    texts.push(`License: ${name}\n${indent(text)}`);
    return name;
  };

  for (const {
    package: { name, path, version },
    folder,
  } of sources) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const licence = shortName(manifest.license ?? '');
    const file = licenceText(folder);
    const holders = file === undefined ? [] : copyrightLines(file);
    if (holders.length === 0) holders.push(...knownHolder(name, manifest));
    const body = file === undefined ? STANDARD[licence] : withoutCopyright(file);
    if (body === undefined) throw new Error(`${path}: no text for its licence ${licence}`);
    const common = COMMON_LICENCES[licence];
    const text = common === undefined ? body : commonText(common);
    stanzas.push(
      [
        `Files: usr/lib/twowatt/${path}/*`,
        `Copyright: ${holders.join('\n ')}`,
        `License: ${nameFor(licence, text)}`,
        `Comment: npm package ${name} ${version}`,
      ].join('\n'),
    );
  }

  return `${[
    [
      'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
      'Upstream-Name: twowatt',
      'Comment: twowatt and all that it bundles to run without a network: Node.js, onnxruntime and',
      ' the npm packages below. sbom.cdx.json beside this file lists them with versions and hashes.',
    ].join('\n'),
    [
      'Files: *',
      'Copyright: the twowatt authors',
      `License: ${nameFor('Apache-2.0', commonText('Apache-2.0'))}`,
    ].join('\n'),
    [
      'Files: usr/lib/twowatt/bin/node',
      'Copyright: Node.js contributors, and others as the licence text says',
      'License: Node.js',
      ' The full text, with the licences of all that Node.js itself bundles, is in',
      ' /usr/share/doc/twowatt/node-licences.txt.',
    ].join('\n'),
    ...stanzas,
    ...texts,
  ].join('\n\n')}\n`;
}

function knownHolder(name: string, manifest: Manifest): string[] {
  const author = typeof manifest.author === 'string' ? manifest.author : manifest.author?.name;
  const holder = HOLDERS[name] ?? author;
  if (holder === undefined) throw new Error(`${name}: who holds its copyright? (HOLDERS)`);
  return [holder];
}

function licenceText(folder: string): string | undefined {
  const file = readdirSync(folder)
    .sort()
    .find((name) => /^(?:licen[cs]e|copying)(?:[.-].*)?$/i.test(name));
  const path = file === undefined ? undefined : join(folder, file);
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

/** "Copyright (c) 2014 Somebody", not "copyright notice" in a sentence of the licence. */
const COPYRIGHT_LINE = /^\W*(?:Copyright(?!:?\s+(?:notice|holder|licen|owner))|©|\(c\))/;

const copyrightLines = (text: string): string[] => [
  ...new Set(
    text
      .split('\n')
      .filter((line) => COPYRIGHT_LINE.test(line))
      .map((line) => line.replace(/^\W*copyright:?\s*/i, '').trim())
      // Apache's own appendix: a form, not a holder.
      .filter((line) => line !== '' && !/\[yyyy\]|\{yyyy\}/.test(line)),
  ),
];

const withoutCopyright = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !COPYRIGHT_LINE.test(line))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();

/** SPDX's "MIT OR Apache-2.0" and the like hold blanks, which DEP-5 keeps for its own "or". */
const shortName = (licence: string): string => licence.replaceAll(/[()]/g, '').replaceAll(' ', '-');

const commonText = (name: string): string =>
  `On Debian systems the full text is in /usr/share/common-licenses/${name}.`;

const indent = (text: string): string =>
  text
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');

/** For tarballs that name a licence and bring no text of it. */
const STANDARD: Readonly<Record<string, string>> = {
  MIT: `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`,
};
