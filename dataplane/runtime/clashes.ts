/** Listeners of one configuration that want the same address and port, or the same path: only one of them could have it. */
import type { ListenerSpec } from '../../gen/l7mp/config/v1/types.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import type { Fault } from '../../common/errors.ts';

/** A fault for each listener of the proxy's own configuration that comes second. */
export function clashes({ listeners }: ConfigSnapshot): Fault[] {
  const owners = new Map<string, string>();
  const faults: Fault[] = [];
  for (const [name, { value, source }] of listeners) {
    const place = source === 'local' ? placeOf(value.spec) : undefined;
    if (place === undefined) continue;
    const owner = owners.get(place);
    if (owner === undefined) owners.set(place, name);
    else
      faults.push({
        path: `listeners.${name}.spec`,
        expected: `a place that listeners.${owner} does not have`,
        found: place,
      });
  }
  return faults;
}

/** What the kernel lets one socket have, as in `TCP 127.0.0.1:80`; undefined where it chooses, or several may have it. */
function placeOf(spec: ListenerSpec): string | undefined {
  const port = portOf(spec);
  return port && `${port.transport} ${port.address}:${port.port}`;
}

export interface ListenerPort {
  /** Each has ports of its own. */
  readonly transport: 'TCP' | 'UDP' | 'SCTP';
  readonly address: string;
  readonly port: number;
}

/** The port that a listener must have for itself. */
export function portOf(spec: ListenerSpec): ListenerPort | undefined {
  if ('transport_spec' in spec) return portOf(spec.transport_spec);
  if ('reuse_port' in spec && spec.reuse_port) return undefined;
  if (!('port' in spec && 'address' in spec) || spec.port === 0) return undefined;
  const { protocol, address, port } = spec;
  return { transport: protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP', address, port };
}
