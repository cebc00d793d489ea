/** Endpoints of clusters: addresses that are written down, and pods that are selected. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Pod } from '../api/core-kinds.ts';
import type { Making } from './making.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { hasPort, portOf, protocolOf, transportOf } from './specs.ts';
import { OF_REFERENCES, verdict } from './reasons.ts';
import { selectedPods, type Selecting, type Selection, selectionOf } from './selectors.ts';

/** The endpoints of a cluster; a fault of the object where it can't be said which. `spec` is the cluster's, flat. */
export function endpointsOf(
  context: Selecting,
  making: Making,
  spec: Plain,
  raw: readonly Json[],
  path: string,
): Json[] {
  const found = new Map<string, Json>();
  const others: Json[] = [];
  const transport = transportOf(spec);
  raw.forEach((endpoint, index) => {
    const at = `${path}[${index}]`;
    if (!isJsonObject(endpoint) || endpoint['selector'] === undefined) {
      others.push(endpoint);
      return;
    }
    const { selector, spec: place = {}, weight, ...rest } = endpoint;
    const protocol = protocolOf('ClusterSpec', transport['protocol']);
    const wrong = Object.keys(rest).map((key) => `${at}.${key}: expected nothing beside selector, found "${key}"`);
    if (!isJsonObject(place)) wrong.push(`${at}.spec: expected an object, found something else`);
    else if (place['address'] !== undefined) wrong.push(`${at}.spec.address: expected none beside selector, found one`);
    if (!hasPort(protocol)) {
      wrong.push(
        `${at}.selector: expected none, as ${protocol ?? 'the protocol'} does not go to other hosts, found one`,
      );
    } else if (isJsonObject(place) && (portOf(place['port']) ?? portOf(transport['port'])) === undefined) {
      wrong.push(`${at}.spec.port: expected a port, here or in the cluster's spec, found nothing`);
    }
    making.faults.push(...wrong.map((message) => verdict('Invalid', message)));
    const selection = selectionOf(context, making.object, isJsonObject(selector) ? selector : {}, `${at}.selector`);
    for (const fault of selection.faults) {
      (OF_REFERENCES.has(fault.reason) ? making.unresolved : making.faults).push(fault);
    }
    for (const each of endpointsSelected(context, selection, isJsonObject(place) ? place : {}, weight)) {
      const { name } = each;
      if (!found.has(name)) found.set(name, each);
    }
  });
  return [...others, ...found.values()];
}

/** The endpoints that are pods which are ready, in order. */
export function endpointsSelected(
  context: Selecting,
  selection: Selection,
  place: Plain = {},
  weight?: Json,
): (Plain & { readonly name: string })[] {
  const port = portOf(place['port']);
  return selectedPods(context, selection).flatMap(({ id, pod }) => {
    const address = addressOf(pod);
    if (address === undefined) return [];
    const name = port === undefined ? id : `${id}:${port}`;
    return [{ name, spec: { ...place, address }, ...(weight !== undefined && { weight }) }];
  });
}

/** Where a pod can be reached, if it can: while it is ready, and not about to end. */
function addressOf({ metadata, status = {} }: Pod): string | undefined {
  const { podIP, conditions = [] } = status;
  const isReady = conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  return isReady && metadata.deletionTimestamp === undefined && podIP !== '' ? podIP : undefined;
}
