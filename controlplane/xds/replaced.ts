/**
 * The labels that a node had until another stream of it came with others: who comes back with them while that one is there is
 * not the proxy that it was, but a second one with the same identity.
 */
import { canonicalJson, shortHash } from '../model/canonical.ts';
import type { NodeFacts } from '../core/resource.ts';

type Labels = NodeFacts['labels'];

/** So many are remembered of a node, the newest ones. */
const MAX_PER_NODE = 16;

export class ReplacedLabels {
  readonly #byNode = new Map<string, Set<string>>();

  add(id: string, labels: Labels): void {
    const known = this.#byNode.get(id) ?? new Set<string>();
    this.#byNode.set(id, known.add(keyOf(labels)));
    const [oldest] = known;
    if (known.size > MAX_PER_NODE && oldest !== undefined) known.delete(oldest);
  }

  has({ id, labels }: NodeFacts): boolean {
    return this.#byNode.get(id)?.has(keyOf(labels)) ?? false;
  }

  /** No stream of the node is left. */
  forget(id: string): void {
    this.#byNode.delete(id);
  }
}

function keyOf(labels: Labels): string {
  return shortHash(canonicalJson(labels));
}
