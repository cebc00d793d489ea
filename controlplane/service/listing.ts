/** Objects, proxies and rollouts page by page. */
import type * as m from '../../gen/messages.ts';
import { faultyRequest } from '../model/faults.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import { type ConfigObject, idOf } from '../model/object.ts';
import { checkSelector, compileSelector } from '../model/selector.ts';
import type { Model } from './model.ts';
import { compareParts, pageOf } from './paging.ts';
import { showRollout } from './rollout-request.ts';
import { showObject, sizeOf } from './showing.ts';

/** In the order of their kinds and names. */
export function listObjects(model: Model, request: m.ListRequest): m.ListResponse {
  const { kinds, labels } = request;
  const wanted = Object.entries(labels);
  const wantedOnes = [...entriesOf(model)]
    .filter(({ object }) => kinds.length === 0 || kinds.includes(object.key.kind))
    .filter(({ object }) => wanted.every(([label, value]) => object.labels[label] === value));
  const { page: objects, next_page_token } = pageOf(wantedOnes, request, {
    parts: 3,
    positionOf: ({ object: { key, source } }) => [key.kind, key.name, source],
    compare: compareParts,
    show: ({ object, by }) => showObject(object, by === undefined ? model.statusOf(object) : shadowed(by)),
    sizeOf,
  });
  const files = request.page_token === '' ? model.badFiles() : [];
  return { objects, revision: model.mirror.revision, next_page_token, files };
}

/** In the order of their identities. */
export function listProxies(model: Model, request: m.ListProxiesRequest): m.ListProxiesResponse {
  const { selector, key } = request;
  const object = key && objectOf(model, key);
  const faults = selector === undefined ? [] : checkSelector(selector);
  if (faults.length > 0) throw faultyRequest([{ key: { kind: 'Proxy', name: '' }, index: 0, faults }]);
  const matches = [selector, object?.selector].map(compileSelector);
  const selected = [...model.proxies()].filter((proxy) => matches.every((each) => each(proxy)));
  const { page: proxies, next_page_token } = pageOf(selected, request, {
    parts: 1,
    positionOf: ({ id }) => [id],
    compare: compareParts,
    show: (proxy) => (object ? { ...proxy, fate: model.fateOf(object, proxy) } : proxy),
    sizeOf: jsonBytes,
  });
  return { proxies, next_page_token };
}

/** The object that counts. @throws RpcError NOT_FOUND */
export function objectOf(model: Model, key: m.ObjectKey): ConfigObject {
  const id = idOf(key);
  const object = model.get(id);
  if (object !== undefined) return object;
  const rollout = model.rolloutOf(id);
  const later = rollout ? `, which rollout ${rollout.id} brings: it is ${rollout.state}` : '';
  throw new RpcError(STATUS.NOT_FOUND, `expected an object, found no ${id}${later}`);
}

/** The newest first. */
export function listRollouts(model: Model, request: m.ListRolloutsRequest): m.ListRolloutsResponse {
  const { page: rollouts, next_page_token } = pageOf([...model.mirror.rollouts.values()], request, {
    parts: 2,
    positionOf: ({ started_at: startedAt, id }) => [startedAt, id],
    compare: (one, other) => compareParts(other, one),
    show: (rollout) => showRollout(model.rollouts.stateOf(rollout)),
    sizeOf: jsonBytes,
  });
  return { rollouts, next_page_token };
}

/** Not less than what a message takes on the wire. */
function jsonBytes(message: object): number {
  return Buffer.byteLength(JSON.stringify(message));
}

function* entriesOf(model: Model): Iterable<{ readonly object: ConfigObject; readonly by?: string }> {
  for (const object of model.objects()) yield { object };
  yield* model.shadowed();
}

function shadowed(by: string): m.ObjectStatus {
  return { accepted: false, faults: [], warnings: [], selected: 0, acked: 0, serving: 0, failed: [], shadowed_by: by };
}
