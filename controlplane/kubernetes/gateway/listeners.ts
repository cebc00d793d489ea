/** A listener of a Gateway or a ListenerSet by itself: its protocol, what may attach, its certificates, and what is wrong. */
import type {
  FrontendValidation,
  Gateway,
  GatewayListener,
  ListenerSet,
  ObjectReference,
  RouteKind,
} from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import { authoritiesOf, keyPairOf } from './certificates.ts';
import type { Grants } from '../api/grants.ts';
import { CORE_GROUP, GATEWAY_GROUP, OWN_PROTOCOLS } from './group.ts';
import { ANY } from './hostnames.ts';
import { LISTENER_PROTOCOLS, type ListenerProtocol } from './protocols.ts';
import type { ClientValidation, ListenerState, UsedKeyPair } from './state.ts';
import { joined, type Verdict } from '../api/verdict.ts';

/** The lowest version of TLS that a listener takes (`tls.options`). */
export const MIN_VERSION_OPTION = `${OWN_PROTOCOLS}min-version`;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'];

export function readListener(
  reader: KubeReader,
  grants: Grants,
  owner: Gateway | ListenerSet,
  spec: GatewayListener,
  validation: ClientValidation | undefined,
): ListenerState {
  const protocol = LISTENER_PROTOCOLS.get(spec.protocol);
  const passthrough = spec.protocol === 'TLS' && spec.tls?.mode === 'Passthrough';
  const { kinds, fault: wrongKinds } = allowedKinds(protocol, spec);
  const certificates: UsedKeyPair[] = [];
  const unresolved: Verdict[] = [];
  const refused: Verdict[] = [...listenerFaults(spec, protocol)];
  const encrypted = protocol?.tls === 'always' || (protocol?.tls === 'optional' && spec.tls !== undefined);
  if (encrypted && !passthrough) {
    const refs = spec.tls?.certificateRefs ?? [];
    if (refs.length === 0) {
      unresolved.push({
        reason: 'InvalidCertificateRef',
        message: 'tls.certificateRefs: expected a Secret, found none',
      });
    }
    for (const ref of refs) {
      const found = readKeyPair(reader, grants, owner, ref, 'InvalidCertificateRef');
      if ('reason' in found) unresolved.push(found);
      else certificates.push(found);
    }
  }
  const incomplete = encrypted && !passthrough && certificates.length === 0;
  const checked = spec.protocol === 'HTTPS' ? validation : undefined;
  if (checked?.unresolved !== undefined) {
    unresolved.push(checked.unresolved);
    if (checked.authorities === undefined) {
      refused.push({ reason: 'NoValidCACertificate', message: checked.unresolved.message });
    }
  }
  if (wrongKinds !== undefined) unresolved.push(wrongKinds);
  const [refusal, fault] = [joined(refused), joined(unresolved)];
  return {
    owner,
    spec,
    ...(protocol && { protocol }),
    passthrough,
    hostname: protocol?.byHostname === true ? (spec.hostname?.toLowerCase() ?? ANY) : ANY,
    kinds,
    certificates,
    ...(checked && { validation: checked }),
    ...(refusal && { refused: refusal }),
    ...(fault && { unresolved: fault }),
    incomplete,
    attached: [],
    attachedKinds: new Set(),
  };
}

function listenerFaults({ protocol: name, tls }: GatewayListener, protocol: ListenerProtocol | undefined): Verdict[] {
  if (protocol === undefined) {
    const message = `protocol: expected one of ${[...LISTENER_PROTOCOLS.keys()].join(', ')}, found ${name}`;
    return [{ reason: 'UnsupportedProtocol', message }];
  }
  const faults: Verdict[] = [];
  const refuse = (message: string): unknown => faults.push({ reason: 'UnsupportedValue', message });
  if (tls === undefined) return faults;
  if (protocol.tls === 'never') refuse(`tls: expected nothing, as ${name} has no TLS`);
  if (tls.mode === 'Passthrough' && name !== 'TLS') refuse(`tls.mode: expected Terminate, found Passthrough`);
  for (const [option, value] of Object.entries(tls.options ?? {})) {
    // What has another's prefix is for others.
    if (!option.startsWith(OWN_PROTOCOLS)) continue;
    if (option !== MIN_VERSION_OPTION) refuse(`tls.options: expected ${MIN_VERSION_OPTION}, found ${option}`);
    else if (!VERSIONS.includes(value)) refuse(`tls.options: expected one of ${VERSIONS.join(', ')}, found ${value}`);
  }
  return faults;
}

/** What the protocol takes, of that what is allowed; and what is allowed though no such route could attach. */
function allowedKinds(
  protocol: ListenerProtocol | undefined,
  { allowedRoutes }: GatewayListener,
): { kinds: RouteKind[]; fault?: Verdict } {
  const taken = protocol?.kinds ?? [];
  const allowed = allowedRoutes?.kinds ?? [];
  if (allowed.length === 0) return { kinds: [...taken] };
  const fits = ({ group = GATEWAY_GROUP, kind }: (typeof allowed)[number]): boolean =>
    group === GATEWAY_GROUP && taken.some((name) => name === kind);
  const kinds = taken.filter((name) => allowed.some((kind) => kind.kind === name && fits(kind)));
  const wrong = allowed.filter((kind) => !fits(kind));
  if (wrong.length === 0) return { kinds };
  const found = wrong.map(({ group = GATEWAY_GROUP, kind }) => (group === GATEWAY_GROUP ? kind : `${group}/${kind}`));
  const expected = taken.length === 0 ? 'none' : taken.join(', ');
  const message = `allowedRoutes.kinds: expected ${expected}, found ${found.join(', ')}`;
  return { kinds, fault: { reason: 'InvalidRouteKinds', message } };
}

/** The certificate that a Secret has, or why there is none: `reason` where the reference is allowed, but leads to nothing. */
export function readKeyPair(
  reader: KubeReader,
  grants: Grants,
  owner: Gateway | ListenerSet,
  ref: ObjectReference,
  reason: string,
): UsedKeyPair | Verdict {
  const home = owner.metadata.namespace ?? '';
  const { group = CORE_GROUP, kind = 'Secret', namespace = home, name } = ref;
  if (group !== CORE_GROUP || kind !== 'Secret') {
    const found = group === CORE_GROUP ? kind : `${group}/${kind}`;
    return { reason, message: `certificate ${name}: expected a Secret, found ${found}` };
  }
  if (!grants({ group: GATEWAY_GROUP, kind: owner.kind, namespace: home }, { group, kind, namespace, name })) {
    return notPermitted(owner, `Secret ${namespace}/${name}`, namespace);
  }
  const secret = reader.get('Secret', namespace, name);
  const pair = secret === undefined ? { fault: 'it does not exist' } : keyPairOf(secret);
  if (secret === undefined || pair.fault !== undefined) {
    return { reason, message: `Secret ${namespace}/${name}: ${pair.fault ?? ''}` };
  }
  return { ...pair.value, secret };
}

/** The authorities that the HTTPS clients of a port are checked against. */
export function readValidation(
  reader: KubeReader,
  grants: Grants,
  gateway: Gateway,
  { caCertificateRefs, mode }: FrontendValidation,
): ClientValidation {
  const home = gateway.metadata.namespace ?? '';
  const bundles: string[] = [];
  const unresolved: Verdict[] = [];
  for (const { group = CORE_GROUP, kind = 'ConfigMap', namespace = home, name } of caCertificateRefs) {
    if (group !== CORE_GROUP || (kind !== 'ConfigMap' && kind !== 'Secret')) {
      const message = `caCertificateRefs: expected a ConfigMap, found ${group === CORE_GROUP ? kind : `${group}/${kind}`} ${name}`;
      unresolved.push({ reason: 'InvalidCACertificateKind', message });
    } else if (
      !grants({ group: GATEWAY_GROUP, kind: gateway.kind, namespace: home }, { group, kind, namespace, name })
    ) {
      unresolved.push(notPermitted(gateway, `${kind} ${namespace}/${name}`, namespace));
    } else {
      const found = reader.get(kind, namespace, name);
      const bundle = found === undefined ? { fault: 'it does not exist' } : authoritiesOf(found);
      if (bundle.fault === undefined) bundles.push(bundle.value);
      else {
        const message = `${kind} ${namespace}/${name}: ${bundle.fault}`;
        unresolved.push({ reason: 'InvalidCACertificateRef', message });
      }
    }
  }
  const fault = joined(unresolved);
  return {
    insecure: mode === 'AllowInsecureFallback',
    ...(bundles.length > 0 && { authorities: bundles.join('') }),
    ...(fault && { unresolved: fault }),
  };
}

function notPermitted(owner: Gateway | ListenerSet, what: string, namespace: string): Verdict {
  const { kind, metadata } = owner;
  const message = `${what}: no ReferenceGrant of ${namespace} lets ${kind}s of ${metadata.namespace ?? ''} refer to it`;
  return { reason: 'RefNotPermitted', message };
}
