/** Objects as the API shows them: without secrets, with how they fare. */
import type { Change, Object as Shown, ObjectStatus } from '../../gen/messages.ts';
import type { ObjectChange, RecordedChange } from '../live/history.ts';
import { hideSecrets } from '../model/hidden.ts';
import type { ConfigObject } from '../model/object.ts';

/** The most of one response, in bytes; clients take 4 MiB. */
export const MAX_RESPONSE_BYTES = 3 * 1024 * 1024;

export function showObject(object: ConfigObject, status?: ObjectStatus): Shown {
  const { key, selector, labels, spec, raw, version, revision, source, changedAt } = hideSecrets(object);
  return {
    key,
    ...(selector && { selector }),
    labels,
    ...(spec && { spec }),
    ...(raw && { raw }),
    version,
    revision,
    source,
    ...(changedAt !== undefined && { changed_at: changedAt }),
    ...(status && { status }),
  };
}

/** About what it takes on the wire, in bytes. */
export function sizeOf({ spec, raw, status }: Shown): number {
  return 500 + Buffer.byteLength(JSON.stringify([spec ?? {}, status ?? {}])) + (raw?.length ?? 0);
}

/** Changes, with contents as long as they fit into a response. */
export function showChanges(changes: readonly (ObjectChange | RecordedChange)[], contents: boolean): Change[] {
  let left = contents ? MAX_RESPONSE_BYTES : 0;
  return changes.map(({ key, action, before, after }) => {
    const change: Change = { key, action, warnings: [] };
    if (left <= 0) return change;
    const shown = {
      ...(before && { before: showObject(before) }),
      ...(after && { after: showObject(after) }),
    };
    for (const each of Object.values(shown)) left -= sizeOf(each);
    return left <= 0 ? change : { ...change, ...shown };
  });
}
