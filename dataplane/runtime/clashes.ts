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
  if ('transport_spec' in spec) return placeOf(spec.transport_spec);
  if ('reuse_port' in spec && spec.reuse_port) return undefined;
  if ('port' in spec && 'address' in spec) {
    const kind = spec.protocol === 'UDP' || spec.protocol === 'SCTP' ? spec.protocol : 'TCP';
    return spec.port === 0 ? undefined : `${kind} ${spec.address}:${spec.port}`;
  }
  return undefined;
}
