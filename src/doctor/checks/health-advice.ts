import type { HealthCode } from '../../protocol/index.ts';

type Advice = { advice: string; run?: string };

/** What to do about each condition that a daemon reports; docs/operating.md says it at more length. */
export const HEALTH_ADVICE: Readonly<Record<HealthCode, Advice>> = {
  broker_disconnected: { advice: 'Check the network and that the broker runs.' },
  duplicate_node_id: {
    advice: 'Give one of the two boards another id.',
    run: 'node: { id: another-name }',
  },
  engine_restarting: {
    advice: 'Wait a minute; if it stays, the log says why.',
    run: 'journalctl -u twowatt -n 50',
  },
  engine_unavailable: {
    advice: 'Read in the log why it cannot be started; often it is memory.',
    run: 'journalctl -u twowatt -n 50',
  },
  model_missing: { advice: 'Set model.path to a folder that is there.', run: 'twowatt model list' },
  model_corrupt: {
    advice: 'Find the damaged file, then delete the converted folder: it is made anew.',
    run: 'twowatt model list',
  },
  model_fallback: { advice: 'Check the wanted model.', run: 'twowatt model list' },
  sensor_missing: {
    advice: 'Look at what the kernel says of the sensor; until then watts are estimated.',
    run: 'dmesg | grep -i -e hwmon -e i2c -e thermal',
  },
  sensor_stale: { advice: 'Look at what the kernel says of the sensor.', run: 'dmesg | tail -50' },
  sensor_implausible: {
    advice: 'Check the wiring and the shunt that the sensor is told of.',
    run: 'grep . /sys/class/hwmon/hwmon*/shunt_resistor',
  },
  power_estimated: { advice: 'Nothing need be done; a sensor would make it measured.' },
  over_budget: {
    advice: 'Raise the budget, or count only what inference adds to the idle board.',
    run: 'governor: { scope: above_idle }',
  },
  budget_below_step: {
    advice: 'Raise the budget: a single step of this model takes more.',
    run: 'governor: { budget_w: 2 }',
  },
  too_hot: { advice: 'Give the board air: a heat sink, a fan, or a cooler place.' },
  throttled: { advice: 'Cool the board.' },
  under_voltage: {
    advice: 'Use the supply that is made for this board, and a short, thick cable.',
  },
  actuator_denied: {
    advice: 'Steps are paced instead; allow the clock to the user of the daemon.',
    run: 'ls -l /sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq',
  },
  queue_full: {
    advice: 'Send fewer prompts, or let more wait.',
    run: 'queue: { max_depth: 512 }',
  },
  journal_corrupt: {
    advice: 'Keep the damaged file for a report and check the SD card.',
    run: 'dmesg | grep -i -e mmc -e ext4 -e "I/O error"',
  },
  disk_full: { advice: 'Free some space.', run: 'sudo journalctl --vacuum-size=50M' },
  clock_unsynchronised: { advice: 'Nothing need be done: deadlines do not use the time of day.' },
  cloud_unreachable: { advice: 'Check the network and cloud.endpoints.' },
  cloud_budget_exhausted: { advice: 'Raise cloud.budget_per_day, or wait for tomorrow.' },
};
