import type { DeviceProfile } from '../hardware/index.ts';
import { type Expectation, expectAt, expectSmaller } from './profile-expect.ts';
import { alignColumns } from './table.ts';

/** The product's own budget, which lists are made for; `profile show` goes by the configured one. */
const BUDGET_W = 2;
const GIB = 2 ** 30;

export const megahertz = (khz: number): string => `${Math.round(khz / 1000)} MHz`;

export function memoryText(bytes: number): string {
  return bytes >= GIB
    ? `${Number((bytes / GIB).toPrecision(3))} GB`
    : `${Math.round((bytes / GIB) * 1024)} MB`;
}

const rounded = (value: number): string => value.toPrecision(value < 1 ? 2 : 3);

/** How the board is recognised, in a few words. */
function matchText({ detect }: DeviceProfile): string {
  if (detect.generic === true) return `any ${detect.arch} board`;
  const names = detect.compatible.length > 0 ? detect.compatible : detect.model;
  const more = names.length > 1 ? ` and ${names.length - 1} more` : '';
  return `${names[0] ?? '–'}${more}`;
}

function sensorText({ power }: DeviceProfile): string {
  if (power.sensors.length === 0) return 'none';
  return power.sensors
    .map(({ kind, covers }) => `${kind} (${covers === 'board' ? 'board' : 'rails'})`)
    .join(', ');
}

const FITS = { yes: 'yes', tight: 'tight', no: 'no' };

const fitText = ({ model }: DeviceProfile): string =>
  model.fits === undefined ? 'unknown' : FITS[model.fits];

const round4 = (value: number): number => Number(value.toPrecision(4));

function expectationJson(expected: Expectation | null) {
  if (expected === null) return null;
  const { budgetW, tokensPerS, joulesPerToken, watts, estimated } = expected;
  return {
    budget_w: budgetW,
    scope: 'above_idle',
    tokens_per_s: round4(tokensPerS),
    joules_per_token: round4(joulesPerToken),
    watts: round4(watts),
    modelled: estimated,
  };
}

/** What `profile list --json` says of each profile. */
function listRow(profile: DeviceProfile) {
  const { name, title, detect, memory, power, model } = profile;
  return {
    name,
    title,
    match: { compatible: detect.compatible, model: detect.model, generic: detect.generic ?? false },
    memory_bytes: memory.sizes_bytes.values,
    idle_w: power.idle_w.value,
    sensors: power.sensors.map(({ kind, covers }) => ({ kind, covers })),
    int8_fits: model.fits ?? null,
    form_that_fits: model.smaller_form?.title ?? null,
    at_2_w: expectationJson(expectAt(profile, BUDGET_W)),
    at_2_w_form_that_fits: expectationJson(expectSmaller(profile, BUDGET_W)),
  };
}

export function listJson(profiles: readonly DeviceProfile[]): string {
  return `${JSON.stringify(profiles.map(listRow), null, 2)}\n`;
}

const rateText = (expected: Expectation | null): string =>
  expected === null ? '–' : `${expected.estimated ? '~' : ''}${rounded(expected.tokensPerS)}`;

const sizesText = ({ memory }: DeviceProfile): string =>
  memory.sizes_bytes.values.length === 0
    ? '–'
    : memory.sizes_bytes.values.map(memoryText).join(', ');

export function listText(profiles: readonly DeviceProfile[]): string {
  const head = ['PROFILE', 'BOARD', 'MEMORY', 'IDLE W', 'SENSOR', '0.3B INT8', 'TOKENS/S', 'MATCH'];
  const rows = profiles.map((profile) => [
    profile.name,
    profile.title,
    sizesText(profile),
    String(profile.power.idle_w.value),
    sensorText(profile),
    fitText(profile),
    rateText(expectAt(profile, BUDGET_W)),
    matchText(profile),
  ]);
  const smaller = profiles.flatMap((profile) => {
    const expected = expectSmaller(profile, BUDGET_W);
    if (expected === null) return [];
    return `${profile.name}: what fits is ${profile.model.smaller_form?.title}, ${rateText(expected)} tokens/s\n`;
  });
  return `${alignColumns([head, ...rows], [3, 6])}
TOKENS/S: one request after another at ${BUDGET_W} W above idle with ERNIE-4.5-0.3B INT8; ~ modelled, not
measured on the board; – nothing known, calibrate. \`twowatt profile show NAME\` has the sources.
${smaller.join('')}`;
}

function markdownRow(
  profile: DeviceProfile,
  form: string,
  fits: string,
  expected: Expectation | null,
): string {
  const figures =
    expected === null
      ? ['–', '–', '–']
      : [
          rounded(expected.tokensPerS),
          rounded(expected.joulesPerToken),
          expected.estimated ? 'modelled' : 'measured',
        ];
  const cells = [
    profile.title,
    sizesText(profile),
    String(profile.power.idle_w.value),
    form,
    fits,
    ...figures,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The table of docs/energy.md; a test holds the page to it. */
export function listMarkdown(profiles: readonly DeviceProfile[]): string {
  const lines = profiles.flatMap((profile) => {
    const { smaller_form: smaller } = profile.model;
    const rows = [markdownRow(profile, 'INT8', fitText(profile), expectAt(profile, BUDGET_W))];
    if (smaller === undefined) return rows;
    return [...rows, markdownRow(profile, smaller.title, 'yes', expectSmaller(profile, BUDGET_W))];
  });
  return [
    '| board | memory | idle W | form | fits | tokens/s | J/token | figures |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}
