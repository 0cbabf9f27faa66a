import * as v from 'valibot';
import { choice, path, pattern, real, shaped, text, whole } from '../kinds.ts';
import { setting } from '../setting.ts';

const live = { live: true, remote: true };
const remote = { remote: true };

const isHttpUrl = (value: string) =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);

export const model = {
  path: setting(
    { ...text(1024), isPath: true },
    '',
    'Model folder (converted, or in Hugging Face layout, which is converted once and cached), name in `twowatt model list`, or repository (empty: the active model of the store, else the bundled nano model).',
    remote,
  ),
  dtype: setting(
    choice('int8', 'fp32'),
    'int8',
    'Numeric form that an unconverted model is converted to. fp32 is for comparison: four times the memory.',
    remote,
  ),
  hub_endpoint: setting(
    pattern('an http or https URL', isHttpUrl),
    'https://huggingface.co',
    'Hub that `model pull` downloads from; any mirror of the same layout will do.',
  ),
  context_tokens: setting(
    whole(64, 131_072),
    2048,
    'Tokens of prompt and answer together, at most what the model can. Memory for ERNIE-4.5-0.3B: 36,864 bytes per token and slot.',
    remote,
  ),
  slots: setting(
    whole(1, 64),
    1,
    'Prompts that are answered at the same time. More gives more tokens per joule and slower single answers.',
    remote,
  ),
  system_prompt: setting(
    text(16_384),
    '',
    'System message for prompts that bring none (empty: none).',
    remote,
  ),
  cache_path: setting(
    path('a folder'),
    '',
    'Folder of pulled and converted models (empty: `models` in `node.state_folder`).',
  ),
};

export const engine = {
  threads: setting(
    whole(0, 64),
    0,
    'Threads of the engine (0: what the device profile says, else every core). More than the cores that are free makes it slower.',
    remote,
  ),
  step_timeout_s: setting(
    whole(1, 3600),
    60,
    'Longest time, seconds, that one step of the engine may take before it is taken for hung and started anew; a small model gets less, by what its steps took so far. Below the time of one prefill chunk on this board it never gets anywhere.',
    remote,
  ),
};

const windows = shaped(
  'a list such as [{"seconds":60,"over_pct":0}]',
  v.pipe(
    v.array(
      v.strictObject({
        seconds: v.pipe(v.number(), v.minValue(0.5), v.maxValue(3600)),
        over_pct: v.pipe(v.number(), v.minValue(0), v.maxValue(100)),
      }),
    ),
    v.minLength(1),
    v.maxLength(8),
  ),
);

export const governor = {
  budget_w: setting(
    real(0.05, 500),
    2,
    'Watts that inference may use, averaged over the windows, in `governor.scope`. Lower gives fewer tokens per second.',
    live,
  ),
  scope: setting(
    choice('above_idle', 'rail', 'board'),
    'above_idle',
    'What the budget counts: board power less the idle baseline, one rail (`governor.rail`), or everything the sensor sees.',
    live,
  ),
  rail: setting(
    text(64),
    '',
    "Rail that the scope `rail` counts, for example `VDD_CPU_GPU_CV` (empty: the device profile's).",
    live,
  ),
  energy_wh_per_day: setting(
    real(0, 100_000),
    0,
    'Watt hours that inference may use in a day, beside the watts (0: no such limit).',
    live,
  ),
  windows: setting(
    windows,
    [
      { seconds: 60, over_pct: 0 },
      { seconds: 10, over_pct: 3 },
      { seconds: 1, over_pct: 10 },
    ],
    'Windows over which the mean power is held, each with the per cent by which it may pass the budget.',
    remote,
  ),
  burst_window_s: setting(
    real(0.1, 60),
    1,
    'Seconds of budget that may be saved up while idle and be spent at once. Longer answers short prompts faster and makes power less even.',
    live,
  ),
  temperature_limit_c: setting(
    real(30, 105),
    75,
    'Temperature of the SoC, °C, that inference keeps below.',
    live,
  ),
  sample_hz: setting(
    real(1, 50),
    10,
    'Readings of the sensors per second. Spawned sensors (vcgencmd) are never read more often than twice a second.',
    remote,
  ),
};

export const hardware = {
  sysfs_root: setting(
    path('a folder'),
    '/sys',
    'Where sensors and actuators are looked for; another folder makes a simulated board.',
  ),
  proc_root: setting(path('a folder'), '/proc', 'Where board and load are read from.'),
  vcgencmd: setting(
    path(),
    '/usr/bin/vcgencmd',
    "Raspberry Pi's firmware tool, for boards whose power is read through it (empty: never run it).",
  ),
  profile: setting(
    pattern(
      'a profile name such as raspberry-pi-5',
      (value) => /^[a-z0-9][a-z0-9.-]{0,63}$/.test(value),
      {
        optional: true,
      },
    ),
    '',
    'Device profile to use (empty: the one that fits the board that was found).',
  ),
  profile_overlay: setting(
    path(),
    '',
    'File of numbers measured on this board, as `twowatt profile calibrate` writes it; they replace those of the device profile (empty: `profile-overlay.json` in `node.state_folder`, where that is there).',
  ),
};
