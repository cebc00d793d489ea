/** Names of services as ports, by the system's list (services(5)). */
import { readFileSync } from 'node:fs';

/** Where it stands; minimal systems have none. */
export const SERVICES = '/etc/services';

/** The port of a service, by its name or one of its other names; undefined where the list hasn't it, or there is none. */
export function portOfService(name: string, protocol: 'tcp' | 'udp' | 'sctp', file = SERVICES): number | undefined {
  let list: string;
  try {
    list = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of list.split('\n')) {
    const [official, place = '', ...others] = line.replace(/#.*/u, '').trim().split(/\s+/u);
    if (official !== name && !others.includes(name)) continue;
    const [port, of] = place.split('/');
    if (of === protocol) return Number(port);
  }
  return undefined;
}
