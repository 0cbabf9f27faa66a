/**
 * twowatt under pm2: `pm2 start ecosystem.config.cjs`. Settings go to /etc/twowatt/config.yaml or
 * ~/.config/twowatt/config.yaml, or into `env` as TWOWATT_SECTION__KEY.
 *
 * One instance, always: a second one would be a second node of the same id.
 */
module.exports = {
  apps: [
    {
      name: 'twowatt',
      script: './bin/twowatt.js',
      args: 'run',
      cwd: __dirname,
      exec_mode: 'fork',
      instances: 1,

      // The daemon says when its model is loaded. Until then, or until so many ms have passed, pm2
      // keeps the app in `launching`; a first start with a big model may convert it for minutes.
      wait_ready: true,
      listen_timeout: 120_000,

      // Only the daemon gets the signal, which stops its engine itself, and it has time to finish the
      // running prompt.
      treekill: false,
      kill_timeout: 30_000,

      // 100 ms, growing by half up to 15 s, back to the start after 30 s of steady running.
      exp_backoff_restart_delay: 100,
      // 2 is a wrong configuration: starting again cannot help.
      stop_exit_codes: [2],

      env: {
        NODE_ENV: 'production',
        ORT_DISABLE_TELEMETRY: '1',
      },
    },
  ],
};
