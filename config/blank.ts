/** Texts without anything in them: files that are about to be written, more likely than an order to drop everything. */
import type { Fault } from '../common/errors.ts';

export const BLANK: Fault = { path: '', expected: 'a configuration, or {} for none', found: 'an empty file' };

/** Whether there is nothing but space, comments and the marks of YAML documents. */
export function isBlank(text: string): boolean {
  return text.split('\n').every((line) => /^\uFEFF?(?:---)?\s*(?:#.*)?$/u.test(line));
}
