/** Proxies as they are listed: who they are, how far they are with each type, and what is wrong in them. */
import type { Proxy, ResourceFault } from '../../gen/messages.ts';
import type { View } from '../core/catalog.ts';
import type { Resource } from '../core/resource.ts';
import { Acked, type Facts } from './facts.ts';
import { type Failure, MAX_FAULTS } from './failures.ts';
import type { Tracked } from './tracked.ts';

/** What is known of a proxy beside what is kept of it. */
export interface Known {
  /** What it is sent. */
  readonly view: View | undefined;
  /** What it has reported; undefined: it does not report. */
  readonly facts: Facts | undefined;
  readonly failures: readonly Failure[];
}

interface Sync {
  readonly synced: boolean;
  readonly serving: number;
}

/** Gives what lists proxies of one moment; `controlPlane`: the replica that they are connected to. */
export function createLister(controlPlane: string): (proxy: Tracked, known: Known) => Proxy {
  const syncOf = createSyncs();
  return ({ node, connectedAt: connected_at, asking, acked, nacks }, { view, facts, failures }) => {
    const { user_agent_name: agent, user_agent_version: version } = node.node;
    const types = [...new Set([...asking.asked(), ...acked.keys(), ...nacks.keys()])].sort();
    return {
      id: node.id,
      labels: node.labels,
      agent: [agent, version].filter((part) => part !== '').join('/'),
      address: node.peer,
      control_plane: controlPlane,
      connected_at,
      variant: node.variant,
      types: types.map((type_url) => {
        const held = acked.get(type_url) ?? Acked.none;
        const { synced, serving } = syncOf(view, type_url, asking.asksForAll(type_url), held, facts);
        const nack = nacks.get(type_url) ?? '';
        return { type_url, resources: held.versions.size, synced: synced && nack === '', nack, serving };
      }),
      faults: failures
        .slice(0, MAX_FAULTS)
        .map(({ typeUrl: type_url, name, kind, message }): ResourceFault => ({ type_url, name, kind, message })),
    };
  };
}

/** How far proxies are with the resources of a type: looked at once for all that hold the same. */
function createSyncs() {
  const known = new Map<View | undefined, Map<string, Sync>>();
  return (
    view: View | undefined,
    typeUrl: string,
    all: boolean,
    { serial, versions }: Acked,
    facts: Facts | undefined,
  ): Sync => {
    const ofView = known.get(view) ?? new Map<string, Sync>();
    known.set(view, ofView);
    const key = `${typeUrl} ${all} ${serial} ${facts?.serial ?? 0}`;
    let sync = ofView.get(key);
    if (sync === undefined) {
      const resources = view?.resources(typeUrl) ?? new Map<string, Resource>();
      const whole = !all || [...resources.keys()].every((name) => versions.has(name));
      const synced = whole && [...versions].every(([name, held]) => (resources.get(name)?.version ?? held) === held);
      const inUse = ({ name, version }: Resource): boolean => versions.get(name) === version;
      const serving = [...resources.values()].filter((each) => (facts ? facts.serves(each) : inUse(each))).length;
      ofView.set(key, (sync = { synced, serving }));
    }
    return sync;
  };
}
