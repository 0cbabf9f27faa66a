/**
 * What is looked for, and the word that stands for it in a masked text. `literal` is no private data:
 * it is text of the user's that looks like one of our placeholders and must not be mistaken for one.
 */
export const KIND_WORDS = {
  resident_id: 'ID',
  bank_card: 'CARD',
  phone: 'PHONE',
  email: 'EMAIL',
  ip: 'IP',
  mac: 'MAC',
  coordinates: 'LOCATION',
  secret: 'SECRET',
  plate: 'PLATE',
  passport: 'PASSPORT',
  iban: 'IBAN',
  literal: 'TEXT',
} as const;

export type MaskKind = keyof typeof KIND_WORDS;
export type Kind = Exclude<MaskKind, 'literal'>;

/** Half open, in UTF-16 units of the text that was given. */
export type Span = { start: number; end: number };
export type Finding = Span & { kind: Kind };

/**
 * Finds one kind in folded text (`fold`). Must not throw on any string and must take time linear in
 * its length: prompts come from anybody.
 */
export type Detector = { kind: Kind; readonly find: (folded: string) => Iterable<Span> };
