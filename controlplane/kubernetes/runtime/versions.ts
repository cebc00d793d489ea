/** Resource versions: decimal numbers that grow with every change of a kind (KEP-5504). */

/**
 * Whether `one` is older than `other`. False where they can't be compared, as servers that are not Kubernetes' own may have
 * others.
 */
export function isOlder(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || !DECIMAL.test(one) || !DECIMAL.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}

const DECIMAL = /^[1-9]\d*$/u;
