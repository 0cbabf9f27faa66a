/** Puts values into a text. `one|other` forms are chosen by `n`, by the language's own rule. */
export function fill(
  text: string,
  values: Record<string, string | number>,
  locale: string,
): string {
  const forms = text.split('|');
  const count = values['n'];
  const form =
    forms.length > 1 &&
    typeof count === 'number' &&
    new Intl.PluralRules(locale).select(count) === 'one'
      ? forms[0]
      : (forms[1] ?? forms[0]);
  return (form ?? text).replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value;
  });
}
