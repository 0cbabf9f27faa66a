/**
 * V8's flags of the daemon. It moves messages; the model runs in the engine process. Without the
 * optimising compilers and with a small young generation it keeps 79 MB resident instead of 100,
 * measured idle on x64.
 */
export const DAEMON_FLAGS = [
  '--no-opt',
  '--no-maglev',
  '--max-lazy',
  '--max-semi-space-size=1',
  '--semi-space-growth-factor=1',
];
