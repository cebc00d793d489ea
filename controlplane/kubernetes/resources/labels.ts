/** What keys and values labels can have, as the API server checks them: k8s.io/apimachinery/pkg/util/validation. */
import type { Selector } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import { compare } from '../api/order.ts';

const NAME = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/u;
const PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/u;
const MAX_PREFIX = 253;

/** Of a selector, what no label can be, so that it selects nothing for ever; `path` says where it is. */
export function impossibleLabels({ matchLabels = {}, matchExpressions = [] }: Selector, path: string): string[] {
  return [
    // In an order that does not depend on who wrote them.
    ...Object.entries(matchLabels)
      .toSorted(([one], [other]) => compare(one, other))
      .flatMap(([key, value]) => {
        const at = `${path}.matchLabels[${JSON.stringify(key)}]`;
        return [...keyFaults(key, at), ...valueFaults(value, at)];
      }),
    ...matchExpressions.flatMap(({ key, values = [] }, index) => {
      const at = `${path}.matchExpressions[${index}]`;
      return [
        ...keyFaults(key, `${at}.key`),
        ...values.flatMap((value, number) => valueFaults(value, `${at}.values[${number}]`)),
      ];
    }),
  ];
}

function keyFaults(key: string, at: string): string[] {
  const parts = key.split('/');
  const prefix = parts.length > 1 ? parts.shift() : undefined;
  const fits = prefix === undefined || (prefix.length <= MAX_PREFIX && PREFIX.test(prefix));
  if (fits && parts.length === 1 && NAME.test(parts[0] ?? '')) return [];
  const expected =
    "a label's key, as in app or example.com/app, with at most 63 letters, digits, -, _ and . in its name";
  return [`${at}: expected ${expected}, found ${JSON.stringify(key)}`];
}

function valueFaults(value: string, at: string): string[] {
  if (value === '' || NAME.test(value)) return [];
  const expected = "a label's value: at most 63 letters, digits, -, _ and ., with a letter or digit at either end";
  return [`${at}: expected ${expected}, found ${JSON.stringify(value)}`];
}
