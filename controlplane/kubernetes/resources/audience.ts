/** For whom shared objects are: all proxies that have something which names them. */
import type { Selector } from '../../../gen/messages.ts';
import { canonicalJson } from '../../model/canonical.ts';
import { PROXY_LABELS } from '../api/names.ts';
import { compare } from '../api/order.ts';
import type { Selection } from './selectors.ts';

const keys = new WeakMap<Selector, string>();

/** The same for equal selectors. */
export function selectorKey(selector: Selector): string {
  let key = keys.get(selector);
  if (key === undefined) keys.set(selector, (key = canonicalJson(selector)));
  return key;
}

/**
 * The one selector of all: where they differ, all proxies of the namespaces that they are of, as a selector can't say "or". Undefined:
 * nobody.
 */
export function audienceOf(selections: Iterable<Selection>): Selector | undefined {
  const namespaces = new Set<string>();
  const distinct = new Map<string, Selector>();
  for (const { selector, namespaces: some } of selections) {
    if (selector === undefined) continue;
    distinct.set(selectorKey(selector), selector);
    for (const namespace of some) namespaces.add(namespace);
  }
  const [only] = distinct.values();
  if (distinct.size <= 1) return only;
  const values = [...namespaces].sort(compare);
  return {
    match_labels: {},
    match_expressions: [{ key: PROXY_LABELS.namespace, operator: 'In', values }],
    match_ids: [],
  };
}
