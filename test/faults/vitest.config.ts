import { defineConfig } from 'vitest/config';

/** `npm run test:faults`: minutes long and at times hungry, so not a part of `npm test`. */
export default defineConfig({
  cacheDir: '../../node_modules/.vite',
  test: {
    root: import.meta.dirname,
    include: ['*.test.ts'],
    // Each suite starts daemons and engines of its own and disturbs them; two at once only disturb each other.
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 420_000,
    hookTimeout: 240_000,
    disableConsoleIntercept: true,
    env: { ORT_DISABLE_TELEMETRY: '1' },
  },
});
