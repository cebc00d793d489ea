/** Regular expressions that take time in proportion to the text, whatever the text: those of RE2. */
import { createRequire } from 'node:module';

// Only where a configuration has such an expression is the engine loaded.
const require = createRequire(import.meta.url);

/**
 * Tells whether an expression is found in a text. JavaScript's own engine backtracks: a peer that chooses the text could
 * hold the whole proxy for hours.
 *
 * @throws Error where RE2 does not know it: look-around, back references, faulty ones, more than 1000 repetitions.
 */
export function compileRegex(expression: string, ignoreCase = false): (text: string) => boolean {
  const { RE2JS } = require('re2js') as typeof import('re2js');
  const flags = ignoreCase ? RE2JS.CASE_INSENSITIVE : 0;
  const compiled = RE2JS.compile(RE2JS.translateRegExp(expression), flags);
  return (text) => compiled.test(text);
}
