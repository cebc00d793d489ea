/** Listeners that want the same port of the same proxies: the oldest object has it. */
import { isIP } from 'node:net';
import { fullName, groupBy, sortByAgeOf } from '../api/order.ts';
import type { Verdict } from '../api/verdict.ts';
import { selectorKey } from './audience.ts';
import type { Making } from './making.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { portOf, protocolOf, transportOf } from './specs.ts';
import { verdict } from './reasons.ts';
import { selectedPods, type Selecting } from './selectors.ts';

/** What a listener binds. */
interface Binding {
  readonly making: Making;
  /** The same for all that may clash: family and port, or a path. */
  readonly place: string;
  /** Empty: it has none, and is at one place only. */
  readonly address: string;
  /** Others may bind it, too. */
  readonly isShared: boolean;
}

const FAMILIES: Readonly<Record<string, string>> = {
  UDP: 'udp',
  TCP: 'tcp',
  TLS: 'tcp',
  HTTP: 'tcp',
  WebSocket: 'tcp',
  SCTP: 'sctp',
  UnixDomainSocket: 'unix',
  UnixDatagram: 'unix',
  UnixSeqpacket: 'unix',
};

/** By object, what it clashes with, for all objects that come after another one. Those that are not accepted take no ports. */
export function findConflicts(context: Selecting, makings: readonly Making[]): ReadonlyMap<Making, Verdict> {
  const sound = makings.filter(({ faults }) => faults.length === 0);
  const inOrder = sortByAgeOf(sound, ({ object }) => object);
  const bindings = inOrder.flatMap((making) => making.parts.flatMap((part) => bindingOf(making, part.kind, part.spec)));
  const proxies = createProxies(context);
  const found = new Map<Making, Verdict>();
  const groups = groupBy(bindings, ({ place }) => place);
  // Object by object, as one that is refused for one port leaves its others to those after it.
  const holders = new Map<string, Binding[]>();
  const byMaking = groupBy(bindings, ({ making }) => making);
  for (const [making, own] of byMaking) {
    const held = own.flatMap((binding) => {
      if ((groups.get(binding.place)?.length ?? 0) < 2) return [];
      return (holders.get(binding.place) ?? []).filter(
        (other) => clashes(other, binding) && proxies.overlap(other.making, making),
      );
    });
    const [first] = held;
    if (first !== undefined) found.set(making, conflict(first));
    else for (const binding of own) holders.set(binding.place, [...(holders.get(binding.place) ?? []), binding]);
  }
  return found;
}

function conflict({ making: { object }, place, address }: Binding): Verdict {
  const where = address === '' ? place : `${place} of ${address}`;
  return verdict('Conflicted', `${where}: ${object.kind} ${fullName(object)} has it in the same proxies`);
}

function bindingOf(making: Making, kind: string, { spec }: Plain): Binding[] {
  if (kind !== 'Listener' || !isJsonObject(spec)) return [];
  const transport = transportOf(spec);
  const family = FAMILIES[protocolOf('ListenerSpec', transport['protocol']) ?? ''];
  if (family === undefined) return [];
  if (family === 'unix') {
    const { filename = transport['path'] ?? transport['address'] } = transport;
    return typeof filename === 'string' ? [{ making, place: `unix ${filename}`, address: '', isShared: false }] : [];
  }
  const port = portOf(transport['port']);
  if (port === undefined) return [];
  const { address = '0.0.0.0', options } = transport;
  const isShared = isJsonObject(options) && options['reuse_port'] === true;
  return [{ making, place: `${family} port ${port}`, address: typeof address === 'string' ? address : '', isShared }];
}

function clashes(one: Binding, other: Binding): boolean {
  if (one.isShared && other.isShared) return false;
  return one.address === other.address || covers(one.address, other.address) || covers(other.address, one.address);
}

/** Whether an address is all of them: `::` takes IPv4, too. */
function covers(all: string, one: string): boolean {
  return all === '::' || (all === '0.0.0.0' && isIP(one) !== 6) || one === '::';
}

/** Which proxies objects have in common: the pods that both select, or all of one where both say the same. */
function createProxies(context: Selecting): { overlap: (one: Making, other: Making) => boolean } {
  const chosen = new Map<Making, { readonly key: string; readonly pods: ReadonlySet<string> }>();
  const of = (making: Making): { readonly key: string; readonly pods: ReadonlySet<string> } => {
    let known = chosen.get(making);
    if (known === undefined) {
      const { selection } = making;
      const pods = selection === undefined ? [] : selectedPods(context, selection).map(({ id }) => id);
      known = { key: selection?.selector ? selectorKey(selection.selector) : '', pods: new Set(pods) };
      chosen.set(making, known);
    }
    return known;
  };
  return {
    overlap(one, other) {
      if (one === other) return true;
      const [first, second] = [of(one), of(other)];
      return first.key === second.key || [...first.pods].some((pod) => second.pods.has(pod));
    },
  };
}
