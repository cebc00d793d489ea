/** BackendTLSPolicies: which one a Service's port has, and what it asks of the server. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Service, ServicePort } from '../api/core-kinds.ts';
import type { BackendTLSPolicy, ObjectReference } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import { authoritiesOf } from './certificates.ts';
import { CORE_GROUP } from './group.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { joined, type Verdict } from '../api/verdict.ts';

export interface TlsPolicy {
  readonly policy: BackendTLSPolicy;
  /** PEM text; absent: the system's. */
  readonly authorities?: string;
  readonly serverName: string;
  readonly san: Json[];
  /** Why it is not accepted: backends that it is for can't be spoken to. */
  readonly refused?: Verdict;
  readonly unresolved?: Verdict;
}

export interface TlsPolicies {
  /** Every one, with why it has no effect where another is older. */
  readonly all: readonly (TlsPolicy & { readonly conflict?: Verdict })[];
  /** The one of a port, or of the whole Service. */
  of(service: Service, port: ServicePort): TlsPolicy | undefined;
}

export function readTlsPolicies(reader: KubeReader): TlsPolicies {
  const owners = new Map<string, TlsPolicy>();
  const all = sortByAge(reader.list('BackendTLSPolicy')).map((policy) => {
    const read = readPolicy(reader, policy);
    const taken: string[] = [];
    const targets = policy.spec?.targetRefs ?? [];
    for (const { group, kind, name, sectionName = '' } of targets) {
      if (group !== CORE_GROUP || kind !== 'Service') continue;
      const key = keyOf(policy.metadata.namespace ?? '', name, sectionName);
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, read);
      else taken.push(`Service ${name} has the older BackendTLSPolicy ${fullName(owner.policy)}`);
    }
    if (taken.length < targets.length || taken.length === 0) return read;
    return { ...read, conflict: { reason: 'Conflicted', message: taken.join('; ') } };
  });
  return {
    all,
    of: ({ metadata: { namespace = '', name } }, port) =>
      (port.name === undefined ? undefined : owners.get(keyOf(namespace, name, port.name))) ??
      owners.get(keyOf(namespace, name, '')),
  };
}

function keyOf(namespace: string, name: string, section: string): string {
  return `${namespace}/${name}/${section}`;
}

function readPolicy(reader: KubeReader, policy: BackendTLSPolicy): TlsPolicy {
  const { validation, targetRefs = [] } = policy.spec ?? { validation: { hostname: '' } };
  const { caCertificateRefs = [], wellKnownCACertificates: wellKnown, hostname, subjectAltNames = [] } = validation;
  const refused: Verdict[] = [];
  const unresolved: Verdict[] = [];
  const bundles: string[] = [];
  for (const ref of caCertificateRefs) {
    const found = readBundle(reader, policy.metadata.namespace ?? '', ref);
    if (typeof found === 'string') bundles.push(found);
    else unresolved.push(found);
  }
  if (caCertificateRefs.length > 0 && bundles.length === 0) {
    refused.push({ reason: 'NoValidCACertificate', message: joined(unresolved)?.message ?? '' });
  }
  if (caCertificateRefs.length === 0 && wellKnown !== 'System') {
    const found = wellKnown === undefined || wellKnown === '' ? 'nothing' : `"${wellKnown}"`;
    refused.push({ reason: 'Invalid', message: `wellKnownCACertificates: expected "System", found ${found}` });
  }
  for (const [index, { group, kind }] of targetRefs.entries()) {
    if (group === CORE_GROUP && kind === 'Service') continue;
    const message = `targetRefs[${index}]: expected a Service, found ${group === '' ? kind : `${group}/${kind}`}`;
    refused.push({ reason: 'Invalid', message });
  }
  const san = subjectAltNames.flatMap(({ type, hostname: dns, uri }, index): Json[] => {
    if (type === 'URI' && uri !== undefined) return [{ uri }];
    if (type === 'Hostname' && dns?.startsWith('*') === false) return [{ dns }];
    const message = `subjectAltNames[${index}]: expected a URI, or a hostname without a wildcard, found ${dns ?? uri ?? type}`;
    refused.push({ reason: 'Invalid', message });
    return [];
  });
  const [refusal, fault] = [joined(refused), joined(unresolved)];
  return {
    policy,
    serverName: hostname,
    san,
    ...(caCertificateRefs.length > 0 && { authorities: bundles.join('') }),
    ...(refusal && { refused: refusal }),
    ...(fault && { unresolved: fault }),
  };
}

function readBundle(reader: KubeReader, namespace: string, ref: ObjectReference): string | Verdict {
  const { group = CORE_GROUP, kind = 'ConfigMap', name } = ref;
  if (group !== CORE_GROUP || kind !== 'ConfigMap') {
    const found = group === CORE_GROUP ? kind : `${group}/${kind}`;
    return { reason: 'InvalidKind', message: `caCertificateRefs: expected a ConfigMap, found ${found} ${name}` };
  }
  const map = reader.get('ConfigMap', namespace, name);
  const bundle = map === undefined ? { fault: 'it does not exist' } : authoritiesOf(map);
  if (bundle.fault === undefined) return bundle.value;
  return { reason: 'InvalidCACertificateRef', message: `ConfigMap ${namespace}/${name}: ${bundle.fault}` };
}
