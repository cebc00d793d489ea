/** What policies are attached to: whether it is there, and has such a part. */
import type { Gateway, GatewayListener, ListenerSet, ParentReference } from '../api/gateway-kinds.ts';
import { CONTROLLER_NAME, GROUP } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import { fullName } from '../api/order.ts';
import type { KubeKinds, KubeReader } from '../api/reader.ts';
import type { Verdict } from '../api/verdict.ts';

/** As policies name it, in their own namespace. */
export interface TargetReference {
  readonly group?: string;
  readonly kind: TargetKind;
  readonly name: string;
  readonly sectionName?: string;
}

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** What the sections of a kind are, for people; absent: it has none. */
const SECTIONS = {
  Service: 'port',
  Gateway: 'listener',
  ListenerSet: 'listener',
  HTTPRoute: 'rule',
  GRPCRoute: 'rule',
  TLSRoute: 'rule',
  TCPRoute: 'rule',
  UDPRoute: 'rule',
  VirtualService: undefined,
  Session: undefined,
} as const satisfies Readonly<Partial<Record<keyof KubeKinds, string | undefined>>>;

export type TargetKind = keyof typeof SECTIONS;

/** The API group of a kind. */
export function groupOf(kind: TargetKind): string {
  if (kind === 'Service') return '';
  return kind === 'VirtualService' || kind === 'Session' ? GROUP : GATEWAY_GROUP;
}

/** Why there is nothing there to attach to. */
export function missing(reader: KubeReader, namespace: string, target: TargetReference): Verdict | undefined {
  const { group = groupOf(target.kind), kind, name, sectionName } = target;
  if (group !== groupOf(kind)) {
    return invalid(`expected the group ${groupOf(kind) || '""'} of ${kind}s, found ${group || '""'}`);
  }
  const object = reader.get(kind, namespace, name);
  if (object === undefined) return notFound(`there is no ${kind} ${namespace}/${name}`);
  if (groupOf(kind) === GATEWAY_GROUP && !isOurs(reader, object as GatewayObject)) {
    const why = kind === 'Gateway' ? 'is of a class that is not ours' : 'has no parent that is ours';
    return notFound(`the ${kind} ${namespace}/${name} ${why}`);
  }
  if (sectionName === undefined) return undefined;
  const word = SECTIONS[kind];
  if (word === undefined) return invalid(`expected no sectionName, as a ${kind} has no sections, found ${sectionName}`);
  const names = sectionsOf(object.spec).flatMap(({ name: section }) => section ?? []);
  if (names.includes(sectionName)) return undefined;
  const has = names.length === 0 ? `its ${word}s have no names` : `it has ${names.join(', ')}`;
  return notFound(`the ${kind} ${namespace}/${name} has no ${word} named ${sectionName}: ${has}`);
}

interface Named {
  readonly name?: string;
}

function sectionsOf(spec: unknown): readonly Named[] {
  const { ports, listeners, rules } = (spec ?? {}) as Readonly<Partial<Record<string, readonly Named[]>>>;
  return ports ?? listeners ?? rules ?? [];
}

type GatewayObject = KubeObject<
  Partial<NonNullable<Gateway['spec']>> & {
    readonly parentRef?: ParentReference;
    readonly parentRefs?: readonly ParentReference[];
  }
>;

/** Whether an object of Gateway API is for us: by its class, or by one of its parents, as a Service is anybody's. */
function isOurs(reader: KubeReader, { kind, metadata, spec }: GatewayObject): boolean {
  if (kind === 'Gateway') {
    return reader.get('GatewayClass', '', spec?.gatewayClassName ?? '')?.spec?.controllerName === CONTROLLER_NAME;
  }
  const parents = spec?.parentRefs ?? (spec?.parentRef ? [spec.parentRef] : []);
  return parents.some(({ kind: of = 'Gateway', namespace = metadata.namespace ?? '', name }) => {
    if (of !== 'Gateway' && of !== 'ListenerSet') return of === 'Service';
    const parent = reader.get(of, namespace, name);
    return parent !== undefined && isOurs(reader, parent);
  });
}

/** Why what is said of a target's listeners can't be said of them alone: a port is one listener of the proxies. */
export function sharedPorts(reader: KubeReader, namespace: string, target: TargetReference): Verdict | undefined {
  const { kind, name, sectionName } = target;
  if (kind !== 'ListenerSet' && (kind !== 'Gateway' || sectionName === undefined)) return undefined;
  const owner = reader.get(kind, namespace, name);
  if (owner === undefined) return undefined;
  const mine = new Set(
    (owner.spec?.listeners ?? []).filter((one) => sectionName === undefined || one.name === sectionName),
  );
  const others = neighboursOf(reader, owner).filter((one) => !mine.has(one));
  const shared = [...mine].filter((one) => others.some((other) => portOf(one) === portOf(other)));
  if (shared.length === 0) return undefined;
  const ports = shared.map((one) => `listener ${one.name} has port ${one.port}`).join(', ');
  return invalid(`expected listeners with a port of their own, found that others have it, too: ${ports}`);
}

/** All listeners of the Gateway that an object is, or is attached to. */
function neighboursOf(reader: KubeReader, owner: Gateway | ListenerSet): GatewayListener[] {
  const home = owner.kind === 'Gateway' ? fullName(owner) : parentOf(owner as ListenerSet);
  const sets = [...reader.list('ListenerSet')].filter((set) => parentOf(set) === home);
  const [namespace = '', name = ''] = home.split('/');
  return [reader.get('Gateway', namespace, name), ...sets].flatMap((one) => one?.spec?.listeners ?? []);
}

function parentOf({ metadata, spec }: ListenerSet): string {
  const { namespace = metadata.namespace ?? '', name = '' } = spec?.parentRef ?? {};
  return `${namespace}/${name}`;
}

/** TCP, UDP and SCTP may have a port of the same number. */
function portOf({ protocol, port }: GatewayListener): string {
  const transport = /(?:^|\/)(?:UDP|SCTP)$/u.exec(protocol)?.[0] ?? 'TCP';
  return `${port}/${transport}`;
}

function notFound(message: string): Verdict {
  return { reason: 'TargetNotFound', message };
}

function invalid(message: string): Verdict {
  return { reason: 'Invalid', message };
}
