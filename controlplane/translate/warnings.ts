/** Names in an object that nothing has: no faults, as what they name may come later, but worth a word. */
import type { Fault } from '../../gen/messages.ts';
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import { danglingReferences } from '../../config/references.ts';
import { typeUrlOf, type WireKind } from '../../config/wire-kinds.ts';
import { emptySnapshot } from '../../config/decode.ts';
import type { ConfigSnapshot, Owned } from '../../config/snapshot.ts';
import type { Part } from '../model/decode-content.ts';
import { resourceId } from '../model/resource-id.ts';
import type { Claims } from './claims.ts';

const NOTHING = emptySnapshot();

/** What the parts of an object name and nobody has. */
export function warningsOf(parts: readonly Part[], claims: Claims): Fault[] {
  const named = (kind: WireKind, name: string): boolean => claims.has(resourceId({ typeUrl: typeUrlOf(kind), name }));
  const among = <T>(kind: WireKind): ReadonlyMap<string, Owned<T>> =>
    new Among<T>(parts, kind, (name) => named(kind, name));
  const snapshot: ConfigSnapshot = {
    ...NOTHING,
    listeners: among('Listener'),
    clusters: among('Cluster'),
    rulelists: among('RuleList'),
    rules: among('Rule'),
    routes: among('Route'),
  };
  const warnings: Fault[] = danglingReferences(snapshot).map(({ path, expected, found }) => ({
    path,
    expected,
    found,
  }));
  for (const { kind, name, value } of parts) {
    if (kind === 'Cluster') {
      const service = (value as Cluster).discovery && ((value as Cluster).discovery?.service ?? name);
      if (service !== undefined && !named('ClusterLoadAssignment', service)) {
        const expected = 'the name of a load assignment that exists';
        warnings.push({ path: `clusters.${name}.discovery`, expected, found: `"${service}"` });
      }
    }
    for (const secret of new Set(secretsIn(value))) {
      if (named('Secret', secret)) continue;
      warnings.push({ path: name, expected: 'the name of a secret that exists', found: `"${secret}"` });
    }
  }
  return warnings;
}

function secretsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('secret:') ? [value.slice('secret:'.length)] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    typeof item === 'object' || ['cert', 'key', 'ca'].includes(key) ? secretsIn(item) : [],
  );
}

/** The parts of one kind; what else there is counts as being there. */
class Among<T> extends Map<string, Owned<T>> {
  private readonly exists: (name: string) => boolean;

  constructor(parts: readonly Part[], kind: WireKind, exists: (name: string) => boolean) {
    super(
      parts
        .filter((part) => part.kind === kind)
        .map(({ name, value }) => [name, { value: value as T, owner: undefined, source: 'controlplane' }]),
    );
    this.exists = exists;
  }

  override has(name: string): boolean {
    return super.has(name) || this.exists(name);
  }
}
