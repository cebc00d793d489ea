/** Which node somebody may be, and with which labels (rule 14 of docs/xds.md). */
import type { Identity } from './identity.ts';
import { RpcError, STATUS } from './rpc.ts';

/** Of what a node claims, in characters. */
const MAX_SHOWN = 100;

/** Whether a pattern, exact or with `*` at the end, is for a name. */
export function matchesName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Whether somebody may be this node. */
export function mayBe({ admin, nodes }: Identity, node: string): boolean {
  return admin || nodes.some((pattern) => matchesName(pattern, node));
}

/**
 * The labels of a node: those that it claims, and, where it leaves one out that may have one value only, that one. A label
 * that may have one of several values has to be claimed: without it a node is selected by what says `NotIn`.
 *
 * @throws RpcError PERMISSION_DENIED where it claims what it may not.
 */
export function labelsFor(
  { name, labels: allowed }: Identity,
  claimed: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (allowed === undefined) return claimed;
  const labels = new Map(Object.entries(claimed));
  for (const [label, values] of allowed.values) {
    const found = labels.get(label);
    if (found !== undefined && values.includes(found)) continue;
    const [value] = values;
    if (found !== undefined || value === undefined || values.length > 1) {
      const expected = values.map((each) => JSON.stringify(each)).join(' or ');
      throw notAllowed(name, `expected the label ${label} to be ${expected}, found ${show(found)}`);
    }
    labels.set(label, value);
  }
  if (allowed.only) {
    const other = Object.keys(claimed).find((label) => !allowed.values.has(label));
    if (other !== undefined) {
      const expected =
        allowed.values.size === 0 ? 'no labels' : `no labels but ${[...allowed.values.keys()].join(', ')}`;
      throw notAllowed(name, `expected ${expected}, found ${show(other)}`);
    }
  }
  return Object.fromEntries(labels);
}

function notAllowed(name: string, reason: string): RpcError {
  return new RpcError(STATUS.PERMISSION_DENIED, `${name}: ${reason}`);
}

function show(text: string | undefined): string {
  return text === undefined ? 'none' : JSON.stringify(text.slice(0, MAX_SHOWN));
}
