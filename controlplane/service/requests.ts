/** What a request changes, of what there is: nothing is done here. */
import type { ApplyRequest, DeleteRequest, Object as Shown, ObjectKey } from '../../gen/messages.ts';
import { nearest } from '../../common/nearest.ts';
import { Slices } from '../../common/slices.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import type { Store } from '../core/store.ts';
import { changeOf, type ObjectChange, readChanges, readVersion } from '../live/history.ts';
import { checkKey } from '../model/decode-content.ts';
import { type FaultyObject, faultyRequest } from '../model/faults.ts';
import { restoreSecrets } from '../model/hidden.ts';
import { asObject, type ConfigObject, contentOf, idOf, isSame } from '../model/object.ts';
import type { Findings, Proposal } from '../model/translated.ts';

/** In one request. */
export const MAX_OBJECTS = 10_000;

export interface State {
  readonly objects: ReadonlyMap<string, ConfigObject>;
  /** The number of the last version. */
  readonly head: { readonly number: number };
}

/** Says what a change would come to. */
export type Check = (proposal: Proposal) => Promise<Findings>;

/** A change, and the objects that the request names which stay as they are. */
export interface Wanted extends Pick<Findings, 'dangling' | 'danglingElsewhere'> {
  readonly changes: readonly ObjectChange[];
  readonly unchanged: readonly ConfigObject[];
}

/** @throws RpcError INVALID_ARGUMENT with all faults of all objects, ABORTED where a revision is another. */
export async function wantedByApply(request: ApplyRequest, state: State, check: Check): Promise<Wanted> {
  const { objects, replace_kinds: replaced } = request;
  if (objects.length > MAX_OBJECTS) {
    const message = `objects: expected at most ${MAX_OBJECTS} in one request, found ${objects.length}: make it in parts`;
    throw new RpcError(STATUS.INVALID_ARGUMENT, message);
  }
  checkRevisions(objects, state);
  // What there is now: it may be something else after a pause.
  const known = new Map(objects.map(({ key }) => [key, key && state.objects.get(idOf(key))]));
  const others = replaced.length === 0 ? [] : [...state.objects.values()];
  const faulty: FaultyObject[] = [];
  const changes: ObjectChange[] = [];
  const unchanged: ConfigObject[] = [];
  const positions = new Map<string, number>();
  const slices = new Slices();
  for (const [index, object] of objects.entries()) {
    if (slices.isOver) await slices.next();
    const before = known.get(object.key);
    const [content, faults] = restoreSecrets(contentOf(object), before);
    const after = asObject(content);
    const { id, key } = after;
    const earlier = positions.get(id);
    const twice = { path: 'key', expected: `each object once`, found: `the one of position ${earlier ?? 0} again` };
    const all = [...faults, ...(earlier === undefined ? [] : [twice])];
    if (all.length > 0) faulty.push({ key, index, faults: all });
    positions.set(id, index);
    if (earlier !== undefined) continue;
    if (before && isSame(before, after)) unchanged.push(before);
    else changes.push(changeOf(key, before, after));
  }
  for (const before of others) {
    if (positions.has(before.id) || !(replaced.includes('*') || replaced.includes(before.key.kind))) continue;
    changes.push(changeOf(before.key, before, undefined));
  }
  return looked(changes, unchanged, check, (id) => positions.get(id) ?? 0, faulty);
}

function checkRevisions(objects: readonly Shown[], { objects: known }: State): void {
  const conflicts = objects.flatMap(({ key, if_revision: wanted }) => {
    const id = idOf(key ?? { kind: '', name: '' });
    const found = known.get(id)?.revision ?? 0;
    if (wanted === undefined || wanted === found) return [];
    const there = found === 0 ? 'none such' : `revision ${found}`;
    return [`${id}: expected ${wanted === 0 ? 'none such' : `revision ${wanted}`}, found ${there}`];
  });
  if (conflicts.length === 0) return;
  const shown = conflicts.slice(0, 20);
  if (conflicts.length > shown.length) shown.push(`and ${conflicts.length - shown.length} more`);
  throw new RpcError(STATUS.ABORTED, `changed in the meantime, nothing was done:\n${shown.join('\n')}`);
}

/** With what it would come to. @throws RpcError INVALID_ARGUMENT with all faults of all objects. */
async function looked(
  changes: readonly ObjectChange[],
  unchanged: readonly ConfigObject[],
  check: Check,
  positionOf: (id: string) => number = () => 0,
  faulty: FaultyObject[] = [],
): Promise<Wanted> {
  const upsert = changes.flatMap(({ after }) => after ?? []);
  const gone = new Set(changes.flatMap(({ key, after }) => (after ? [] : [idOf(key)])));
  const { faults, dangling, danglingElsewhere } = await check({ upsert, unchanged, gone });
  for (const { id, key } of upsert) {
    const found = faults.get(id);
    if (found) faulty.push({ key, index: positionOf(id), faults: found });
  }
  if (faulty.length > 0) throw faultyRequest(faulty.sort((one, other) => one.index - other.index));
  return { changes, unchanged, dangling, danglingElsewhere };
}

/** `sourceOf`: of an object that counts. @throws RpcError NOT_FOUND with all that are missing. */
export async function wantedByDelete(
  { keys, ignore_missing: ignore }: DeleteRequest,
  state: State,
  check: Check,
  sourceOf: (id: string) => string | undefined,
): Promise<Wanted> {
  if (keys.length > MAX_OBJECTS) {
    throw new RpcError(STATUS.INVALID_ARGUMENT, `keys: expected at most ${MAX_OBJECTS}, found ${keys.length}`);
  }
  const ids = new Set(keys.map(idOf));
  const missing = [...ids].filter((id) => !state.objects.has(id));
  if (missing.length > 0 && !ignore) {
    const shown = missing.slice(0, 20).map((id) => {
      const source = sourceOf(id);
      return source === undefined ? id : `${id} (it is of ${source}, and goes with its entry there)`;
    });
    throw new RpcError(
      STATUS.NOT_FOUND,
      `expected objects of the store, found no ${shown.join(', ')}: nothing was done`,
    );
  }
  const changes = [...ids].flatMap((id): ObjectChange[] => {
    const before = state.objects.get(id);
    return before ? [changeOf(before.key, before, undefined)] : [];
  });
  return looked(changes, [], check);
}

/**
 * Everything, or one object, as it was after a version; 0: before the last one.
 *
 * @throws RpcError NOT_FOUND where there is no such version, or nothing of the object; OUT_OF_RANGE where it is too old.
 */
export async function wantedByRollback(
  number: number,
  key: ObjectKey | undefined,
  store: Store,
  state: State,
  check: Check,
): Promise<Wanted> {
  const last = state.head.number;
  const target = number === 0 ? last - 1 : number;
  if (last === 0) throw new RpcError(STATUS.NOT_FOUND, 'expected a change to go back from, found none');
  if (target > last) {
    throw new RpcError(STATUS.NOT_FOUND, `expected a version from 1 to ${last}, found ${target}`);
  }
  if (key !== undefined && checkKey(key).length > 0) {
    throw faultyRequest([{ key, index: 0, faults: checkKey(key) }]);
  }
  const seen = new Set<string>();
  const undone = new Map<string, { readonly key: ObjectKey; readonly object: ConfigObject | undefined }>();
  for (let each = last; each > target; each--) {
    const version = await readVersion(store, each);
    if (version === undefined) {
      const message = `expected a version that is still in the history, found ${target}: version ${each} is not`;
      throw new RpcError(STATUS.OUT_OF_RANGE, message);
    }
    for (const change of await readChanges(store, version)) {
      seen.add(idOf(change.key));
      if (key && idOf(key) !== idOf(change.key)) continue;
      undone.set(idOf(change.key), { key: change.key, object: change.before });
    }
  }
  if (key && undone.size === 0 && !state.objects.has(idOf(key))) {
    const near = nearest(idOf(key), [...new Set([...state.objects.keys(), ...seen])]);
    const perhaps = near === undefined ? '' : ` (perhaps ${near})`;
    const message = `expected an object that is there, or was after version ${target}, found no ${idOf(key)}${perhaps}`;
    throw new RpcError(STATUS.NOT_FOUND, message);
  }
  const changes = [...undone].flatMap(([id, { key: each, object: after }]): ObjectChange[] => {
    const before = state.objects.get(id);
    if (before === undefined && after === undefined) return [];
    if (before && after && isSame(before, after)) return [];
    return [changeOf(each, before, after)];
  });
  return looked(changes, [], check);
}
