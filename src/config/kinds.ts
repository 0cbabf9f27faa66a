import * as v from 'valibot';

/**
 * What a setting may hold. `expected` completes the sentence "expected …"; `problem` is undefined
 * for a good value; `fromText` reads what a flag or an environment variable carries and leaves
 * what it cannot read to `problem`. Every T is a JSON value.
 */
export type Kind<T> = {
  expected: string;
  problem(value: unknown): string | undefined;
  fromText(text: string): unknown;
  /** A file or folder: a leading `~/` means the home folder. */
  isPath?: true;
  /** Never set; carries T for inference. */
  readonly type?: T;
};

function kind<T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  fromText: (text: string) => unknown,
): Kind<T> {
  return {
    expected,
    problem: (value) => (accepts(value) ? undefined : `expected ${expected}`),
    fromText,
  };
}

const asIs = (text: string): unknown => text;

function asNumber(text: string): unknown {
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\u0000');

export const text = (maxLength = 4096): Kind<string> =>
  kind(
    `text of at most ${maxLength} characters`,
    (value) => isText(value) && value.length <= maxLength,
    asIs,
  );

/** Text of a form that `expected` describes; the empty string stands for "not set" where allowed. */
export const pattern = (
  expected: string,
  accepts: (value: string) => boolean,
  { optional = false } = {},
): Kind<string> =>
  kind(expected, (value) => isText(value) && ((optional && value === '') || accepts(value)), asIs);

export const path = (what = 'a path'): Kind<string> => ({
  ...kind<string>(`${what}, or an empty string for none`, isText, asIs),
  isPath: true,
});

export const choice = <const T extends string>(...options: T[]): Kind<T> =>
  kind(`one of ${options.join(', ')}`, (value) => options.some((option) => option === value), asIs);

export const flag: Kind<boolean> = kind(
  'true or false',
  (value) => typeof value === 'boolean',
  (raw) => (raw === 'true' ? true : raw === 'false' ? false : raw),
);

export const whole = (low: number, high: number): Kind<number> =>
  kind(
    `a whole number from ${low} to ${high}`,
    (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
    asNumber,
  );

export const real = (low: number, high: number): Kind<number> =>
  kind(
    `a number from ${low} to ${high}`,
    (value) => typeof value === 'number' && Number.isFinite(value) && value >= low && value <= high,
    asNumber,
  );

/** A list or an object; the schema's messages complete what is wrong inside. */
export function shaped<Schema extends v.GenericSchema>(
  expected: string,
  schema: Schema,
): Kind<v.InferOutput<Schema>> {
  return {
    expected,
    problem(value) {
      const result = v.safeParse(schema, value);
      if (result.success) return undefined;
      const [issue] = result.issues;
      const at = v.getDotPath(issue);
      // Valibot reports a strict object's extra field as expecting "never".
      const wrong = issue.expected === 'never' ? 'this field is not known' : issue.message;
      return at === null ? `expected ${expected}` : `${at}: ${wrong} (expected ${expected})`;
    },
    fromText: asJson,
  };
}
