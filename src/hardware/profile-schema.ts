import * as v from 'valibot';

/**
 * The form of a file in `device-profiles/`. `schema.json` beside them says the same to editors; a
 * test keeps both alike. Units stand in the names; every number names its source, and one that
 * nobody has measured on the board itself says `estimated`.
 */
export const text = v.pipe(v.string(), v.minLength(1));
const positive = v.pipe(v.number(), v.minValue(0));
const count = v.pipe(v.number(), v.integer(), v.minValue(1));

/** Where a number comes from, and whether it is derived or guessed rather than measured. */
const origin = {
  source: v.pipe(text, v.description('Key of an entry in `sources`.')),
  estimated: v.optional(
    v.pipe(v.boolean(), v.description('True when derived or guessed, not measured on this board.')),
  ),
};

export const figure = (about: string) =>
  v.pipe(v.strictObject({ value: positive, ...origin }), v.description(about));

const detect = v.pipe(
  v.strictObject({
    compatible: v.pipe(
      v.array(text),
      v.description('Device-tree compatible strings, any of which means this board.'),
    ),
    model: v.pipe(
      v.array(text),
      v.description(
        'Regular expressions on the device-tree or DMI model, any of which means this board.',
      ),
    ),
    arch: v.pipe(v.picklist(['arm64', 'x64']), v.description("Processor, by Node's name.")),
    min_memory_bytes: v.optional(
      v.pipe(
        positive,
        v.description('Only boards with at least this much memory, as the kernel reports it.'),
      ),
    ),
    max_memory_bytes: v.optional(
      v.pipe(
        positive,
        v.description('Only boards with at most this much memory, as the kernel reports it.'),
      ),
    ),
    generic: v.optional(
      v.pipe(
        v.boolean(),
        v.description('Fits any board of its processor that no other profile fits.'),
      ),
    ),
  }),
  v.description('How the board is recognised.'),
);

const step = v.strictObject({
  freq_khz: count,
  voltage_v: v.optional(positive),
  core_w: v.pipe(positive, v.description('Watts of one fully busy core at this step, above idle.')),
});

const cluster = v.strictObject({
  core: v.pipe(text, v.description('Kind of core, for example Cortex-A76.')),
  cores: v.nullable(
    v.pipe(count, v.description('Number of cores; null: as many as the machine has.')),
  ),
  cpufreq_policy: v.nullable(
    v.pipe(
      text,
      v.description('Folder under devices/system/cpu/cpufreq; null when there is none.'),
    ),
  ),
  features: v.pipe(
    v.array(v.picklist(['dotprod', 'i8mm', 'avx2', 'vnni'])),
    v.description('8-bit instructions that the cores are known to have.'),
  ),
  dvfs: v.pipe(
    v.strictObject({ steps: v.array(step), ...origin }),
    v.description('Clock steps in rising order; empty when not known.'),
  ),
});

const rail = v.strictObject({
  name: v.pipe(text, v.description('Name or label that the sensor gives it.')),
  idle_w: v.optional(figure('Watts while the board idles.')),
});

const sensor = v.strictObject({
  kind: v.pipe(
    v.picklist(['pi-pmic', 'ina3221', 'ina2xx', 'rapl']),
    v.description('Reader: Pi firmware, INA3221 or INA219/226/260 by hwmon, or powercap.'),
  ),
  match: v.pipe(
    text,
    v.description('What the reader looks for: hwmon name, powercap zone or firmware command.'),
  ),
  covers: v.pipe(
    v.picklist(['board', 'rails']),
    v.description('Whether all of the board’s power passes the sensor, or the named rails only.'),
  ),
  rails: v.array(rail),
  max_hz: figure('Readings per second that the sensor bears.'),
});

export const operatingPointSchema = v.strictObject({
  threads: count,
  freq_khz: v.nullable(count),
  batch: count,
  decode_tokens_per_s: positive,
  prefill_tokens_per_s: v.nullable(positive),
  watts: v.pipe(positive, v.description('Above idle, while decoding.')),
  prefill_watts: v.optional(v.pipe(positive, v.description('Above idle, while prefilling.'))),
  bytes_per_token: v.optional(
    v.pipe(
      count,
      v.description(
        'Bytes that a token of the measured model reads; absent: those of ERNIE-4.5-0.3B INT8.',
      ),
    ),
  ),
  ...origin,
});

export const profileSchema = v.strictObject({
  $schema: v.literal('./schema.json'),
  name: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
    v.description('The same as the file’s name.'),
  ),
  title: v.pipe(text, v.description('The board’s name for people.')),
  revision: v.pipe(count, v.description('Raised with each change of a number.')),
  detect,
  cpu: v.strictObject({
    clusters: v.pipe(v.array(cluster), v.minLength(1)),
    cores_to_use: v.nullable(figure('Threads of the engine by default; null: all physical cores.')),
  }),
  memory: v.strictObject({
    sizes_bytes: v.pipe(
      v.strictObject({ values: v.array(count), ...origin }),
      v.description('Sizes that the board is sold with, rising; empty when not known.'),
    ),
    bandwidth_bytes_per_s: figure('What decoding reaches, not the data sheet’s peak.'),
    energy_j_per_byte: figure('Energy of reading one byte of weights, beyond that of the cores.'),
  }),
  power: v.strictObject({
    idle_w: figure('Board at idle, network up, no display.'),
    sensors: v.pipe(v.array(sensor), v.description('Best first; empty when the board has none.')),
    default_rail: v.nullable(v.pipe(text, v.description('Rail for the scope `rail`.'))),
  }),
  thermal: v.strictObject({
    zones: v.pipe(
      v.array(text),
      v.description('Types of the thermal zones of the SoC; empty: guess.'),
    ),
    limit_c: figure('What the governor keeps below by default.'),
    throttle_c: figure('Where firmware or kernel begins to slow the board down.'),
  }),
  operating_points: v.pipe(
    v.array(operatingPointSchema),
    v.description('For ERNIE-4.5-0.3B INT8; empty when they have to be calibrated.'),
  ),
  model: v.strictObject({
    form: v.pipe(v.picklist(['int8', 'fp32']), v.description('Form that suits the board.')),
    target: v.nullable(
      v.pipe(
        v.picklist(['dotprod', 'nodotprod', 'avx2']),
        v.description('Graph variant; null: look at the processor.'),
      ),
    ),
    fits: v.optional(
      v.pipe(
        v.picklist(['yes', 'tight', 'no']),
        v.description(
          'Whether that form of ERNIE-4.5-0.3B with its whole vocabulary fits into the memory; `no`: the note names the form that does.',
        ),
      ),
    ),
    smaller_form: v.optional(
      v.pipe(
        v.strictObject({
          title: text,
          bytes_per_token: figure('Bytes that a token of it reads.'),
        }),
        v.description('The form that fits where `form` does not; this version may not make it.'),
      ),
    ),
    note: v.optional(text),
  }),
  defaults: v.pipe(
    v.record(v.string(), v.record(v.string(), v.unknown())),
    v.description('Defaults of settings for this board, nested as in the configuration file.'),
  ),
  sources: v.pipe(
    v.record(v.string(), text),
    v.description('Where numbers come from, by the short names used above.'),
  ),
});

/** A checked device profile. */
export type DeviceProfile = v.InferOutput<typeof profileSchema>;
