import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const here = import.meta.dirname;

/** Boards and servers send what was packed once, here: packing at run time would cost a board watts. */
function packed(): Plugin {
  return {
    name: 'packed',
    writeBundle({ dir }, bundle) {
      const names = [...Object.keys(bundle), 'favicon.svg'];
      for (const name of names.filter((file) => /\.(js|css|html|svg)$/.test(file))) {
        const path = join(dir ?? '', name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

/** Two pages from one set of components: the fleet's, and the one that a board serves itself. */
export default defineConfig({
  root: here,
  // Relative, so that the page also works below a path of a reverse proxy.
  base: './',
  plugins: [packed()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: resolve(here, '../../../dist/fleet/web'),
    emptyOutDir: true,
    target: 'es2022',
    // No data: addresses: the content security policy allows files of this origin and nothing else.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { input: [join(here, 'index.html'), join(here, 'board.html')] },
  },
});
