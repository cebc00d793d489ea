/** How the resources of an object fare in one proxy, from what is known of that, here and on other replicas. */
import type { ObjectFate, Proxy } from '../../gen/messages.ts';
import { FAULT_KINDS } from '../core/fault-kinds.ts';
import type { ResourceKey } from '../core/resource.ts';

/** `resources`: those of the object, itself first. */
export function fateOf({ types, faults }: Proxy, resources: readonly ResourceKey[]): Omit<ObjectFate, 'version'> {
  for (const kind of FAULT_KINDS) {
    for (const { typeUrl, name } of resources) {
      const fault = faults.find((each) => each.kind === kind && each.type_url === typeUrl && each.name === name);
      if (fault === undefined) continue;
      const itself = typeUrl === resources[0]?.typeUrl && name === resources[0].name;
      return { state: kind, reason: itself ? fault.message : `${shortOf(typeUrl)}/${name}: ${fault.message}` };
    }
  }
  const asked = types.filter(({ type_url: typeUrl }) => resources.some((each) => each.typeUrl === typeUrl));
  if (asked.length === 0) return { state: 'pending', reason: 'it has not subscribed to these' };
  const isAnswered = ({ type_url: typeUrl, synced, nack }: Proxy['types'][number]): boolean =>
    synced || (nack !== '' && faults.some((each) => each.kind === 'NACK' && each.type_url === typeUrl)); // the others were taken
  if (!asked.every(isAnswered)) return { state: 'pending', reason: 'it has not answered yet' };
  // What is not said to be faulty serves, unless the proxy has not said so of all.
  const told = asked.every(({ type_url: typeUrl, resources: count, serving }) => {
    const faulty = faults.filter((each) => each.type_url === typeUrl).length;
    return serving + faulty >= count;
  });
  return { state: told ? 'serving' : 'acked', reason: '' };
}

function shortOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
