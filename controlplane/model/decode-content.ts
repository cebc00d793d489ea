/** One object, checked by the validator that proxies run, taken apart into what it holds. */
import type { Fault, ObjectKey } from '../../gen/messages.ts';
import { decodeHandedOut, decodeObject, emptySnapshot } from '../../config/decode.ts';
import type { WireKind } from '../../config/wire-kinds.ts';
import type { ConfigObjects } from '../../config/snapshot.ts';
import { KIND_OF, LISTS } from '../../config/kinds.ts';
import { isHidden } from './hidden.ts';
import { MAX_KIND_BYTES, MAX_NAME_BYTES } from './keys.ts';
import { isWireKind, MAX_OBJECT_BYTES, type ObjectContent, toStored } from './object.ts';
import { checkSelector } from './selector.ts';

/** A decoded object, or one that was written in it. */
export interface Part {
  readonly kind: WireKind;
  readonly name: string;
  readonly value: object;
}

export type Contents =
  | { readonly parts: readonly Part[]; readonly faults: readonly never[] }
  | { readonly parts?: undefined; readonly faults: readonly Fault[] };

/** What is wrong with an object beside what it says: its key, its selector, its form. */
export function checkEnvelope(object: ObjectContent): Fault[] {
  const { key, selector, labels, spec, raw } = object;
  const wrongKey = checkKey(key);
  const faults: Fault[] = [...wrongKey, ...(selector === undefined ? [] : checkSelector(selector))];
  const bytes = toStored(object, undefined).length;
  if (bytes > MAX_OBJECT_BYTES) {
    faults.push({ path: '', expected: `at most ${MAX_OBJECT_BYTES} bytes`, found: `${bytes}` });
  }
  for (const label of [...Object.entries(labels), ...Object.entries(selector?.match_labels ?? {})]) {
    if (label[0] !== '') continue;
    faults.push({ path: 'labels', expected: 'labels with names', found: `the value "${label[1]}" without one` });
  }
  // Of what kind should it be?
  if (wrongKey.some(({ path }) => path === 'key.kind')) return faults;
  if (isWireKind(key.kind)) {
    if (raw !== undefined) faults.push({ path: 'raw', expected: `a spec: ${key.kind} is a kind`, found: 'raw bytes' });
    else if (spec === undefined) faults.push({ path: 'spec', expected: `a ${key.kind}`, found: 'nothing' });
  } else if (spec !== undefined) {
    faults.push({ path: 'spec', expected: 'raw bytes: the kind is a type URL', found: 'a spec' });
  } else if (raw === undefined) {
    faults.push({ path: 'raw', expected: 'the bytes of the resource', found: 'nothing' });
  }
  return faults;
}

/** What is wrong with an object's kind and name. */
export function checkKey({ kind, name }: ObjectKey): Fault[] {
  const faults: Fault[] = [];
  const ownType = kind.startsWith('type.googleapis.com/l7mp.config.');
  if (ownType || (!isWireKind(kind) && !/^[\w.-]+\/[\w.]+$/u.test(kind)) || Buffer.byteLength(kind) > MAX_KIND_BYTES) {
    const expected =
      'Secret, Cluster, ClusterLoadAssignment, Listener, RuleList, Rule, Route, or the type URL of a raw resource';
    faults.push({ path: 'key.kind', expected, found: kind === '' ? 'nothing' : JSON.stringify(kind.slice(0, 80)) });
  }
  if (!/^[^\p{Cc}]+$/u.test(name) || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    const found = name === '' ? 'nothing' : JSON.stringify(name.slice(0, 80));
    faults.push({ path: 'key.name', expected: `one line of text of at most ${MAX_NAME_BYTES} bytes`, found });
  }
  return faults;
}

/**
 * Decodes what an object says; what `checkEnvelope` finds must have been looked at before. A raw resource has no parts.
 * Rule lists apply each other, so that a circle may go through `others`.
 */
export function decodeContent({ key, spec = {} }: ObjectContent, others: ConfigObjects): Contents {
  const { kind, name } = key;
  if (!isWireKind(kind)) return { parts: [], faults: [] };
  if (spec['name'] !== undefined && spec['name'] !== name) {
    const found = JSON.stringify(spec['name']);
    return { faults: [{ path: 'name', expected: `"${name}", the name of the object, or nothing`, found }] };
  }
  const plain = { ...spec, name };
  if (kind === 'ClusterLoadAssignment' || kind === 'Secret') {
    const { value, faults } = decodeHandedOut(kind, plain);
    return value === undefined ? { faults: faults.map(withoutLine) } : { parts: [{ kind, name, value }], faults: [] };
  }
  const { value, faults } = decodeObject(kind, plain, others);
  if (value === undefined) return { faults: faults.map((fault) => relative(kind, withoutLine(fault))) };
  const parts = LISTS.flatMap((list) =>
    [...value.objects[list]].map(([partName, part]) => ({ kind: KIND_OF[list], name: partName, value: part.value })),
  );
  return { parts, faults: [] };
}

/**
 * What is wrong with what an object says, as far as it is seen without any others: for who refuses it anyway, and tells
 * all at once.
 */
export function contentFaults(content: ObjectContent): readonly Fault[] {
  const { kind, name } = content.key;
  if (kind === 'Secret' && isHidden(content)) return []; // what the digests stand for is known to the control plane
  const key = { kind, name: checkKey(content.key).length === 0 ? name : 'it' };
  return decodeContent({ ...content, key }, emptySnapshot()).faults;
}

function withoutLine({ path, expected, found }: Fault): Fault {
  return { path, expected, found };
}

/** The decoder calls the object itself after its kind. */
function relative(kind: string, fault: Fault): Fault {
  const root = kind.toLowerCase();
  if (fault.path === root) return { ...fault, path: '' };
  return fault.path.startsWith(`${root}.`) ? { ...fault, path: fault.path.slice(root.length + 1) } : fault;
}
