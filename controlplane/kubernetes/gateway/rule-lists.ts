/** Rule lists of any length. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Making } from './making.ts';

/** The most rules of one list: an object is bounded, and a change of one rule should not push thousands. */
const MAX_RULES = 500;

/** Adds a list, as one that applies parts of it where it is long: where nothing in one matches, the next is asked. */
export function addRuleList(making: Making, parts: readonly string[], rules: readonly Json[]): string {
  return making.output.add('RuleList', making.owner, parts, () => {
    if (rules.length <= MAX_RULES) return { rules: [...rules] };
    const pieces = Array.from({ length: Math.ceil(rules.length / MAX_RULES) }, (_, index) => {
      const piece = rules.slice(index * MAX_RULES, (index + 1) * MAX_RULES);
      return { action: { apply: addRuleList(making, [...parts, `#${index}`], piece) } };
    });
    return { rules: pieces };
  });
}
