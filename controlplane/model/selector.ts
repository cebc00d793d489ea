/** Selectors: which proxies an object is for. */
import type { Fault, LabelRequirement, Selector } from '../../gen/messages.ts';

/** What selectors look at. */
export interface Selectable {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type Matcher = (proxy: Selectable) => boolean;

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

export function isEverybody(selector: Selector): boolean {
  const { match_labels: labels, match_expressions: expressions, match_ids: ids } = selector;
  return Object.keys(labels).length === 0 && expressions.length === 0 && ids.length === 0;
}

/** A function that says whether a proxy is selected; absent selectors select all. */
export function compileSelector(selector: Selector | undefined): Matcher {
  if (selector === undefined) return () => true;
  const labels = Object.entries(selector.match_labels);
  const ids = new Set(selector.match_ids);
  const conditions = selector.match_expressions.map(compileRequirement);
  return (proxy) =>
    (ids.size === 0 || ids.has(proxy.id)) &&
    labels.every(([key, value]) => labelOf(proxy, key) === value) &&
    conditions.every((condition) => condition(proxy));
}

function compileRequirement({ key, operator, values }: LabelRequirement): Matcher {
  const wanted = new Set(values);
  switch (operator) {
    case 'In':
      return (proxy) => wanted.has(labelOf(proxy, key) ?? '') && labelOf(proxy, key) !== undefined;
    case 'NotIn': // As in Kubernetes: a proxy without the label is none of them.
      return (proxy) => !wanted.has(labelOf(proxy, key) ?? '') || labelOf(proxy, key) === undefined;
    case 'Exists':
      return (proxy) => labelOf(proxy, key) !== undefined;
    default:
      return (proxy) => labelOf(proxy, key) === undefined;
  }
}

function labelOf({ labels }: Selectable, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** What is wrong with a selector. */
export function checkSelector(selector: Selector): Fault[] {
  return selector.match_expressions.flatMap(({ key, operator, values }, index) => {
    const path = `selector.match_expressions[${index}]`;
    const faults: Fault[] = [];
    if (key === '') faults.push({ path: `${path}.key`, expected: 'a label', found: 'nothing' });
    if (!OPERATORS.includes(operator)) {
      const found = operator === '' ? 'nothing' : JSON.stringify(operator);
      faults.push({ path: `${path}.operator`, expected: `one of ${OPERATORS.join(', ')}`, found });
    } else if (operator.endsWith('In') !== values.length > 0) {
      const expected = operator.endsWith('In') ? 'values' : `no values beside ${operator}`;
      faults.push({ path: `${path}.values`, expected, found: values.length === 0 ? 'none' : `${values.length}` });
    }
    return faults;
  });
}
