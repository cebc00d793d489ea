/** What is made of one custom resource: parts that proxies get, and what is wrong with it. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Fault } from '../../../gen/messages.ts';
import { formatFault } from '../../../common/errors.ts';
import type { WireKind } from '../../../config/wire-kinds.ts';
import { checkEnvelope, contentFaults } from '../../model/decode-content.ts';
import { shortHash } from '../../model/canonical.ts';
import { MAX_NAME_BYTES } from '../../model/keys.ts';
import type { ObjectContent } from '../../model/object.ts';
import type { KubeObject } from '../api/object.ts';
import { fullName } from '../api/order.ts';
import type { Verdict } from '../api/verdict.ts';
import type { Plain } from '../api/plain.ts';
import { verdict } from './reasons.ts';
import type { Selection } from './selectors.ts';

/** A configuration object, for those who have what names it. */
export interface Part {
  /** `Listener/default/web`. */
  readonly id: string;
  readonly kind: WireKind;
  readonly name: string;
  readonly owner: KubeObject;
  readonly spec: Plain;
  /** Ids of what it names. */
  readonly uses: ReadonlySet<string>;
}

export interface Making {
  readonly object: KubeObject;
  /** Its namespace. */
  readonly home: string;
  /** Why it is not accepted: then there is nothing of it for proxies. */
  readonly faults: Verdict[];
  /** What of that which it names is not there, although the rest of it serves. */
  readonly unresolved: Verdict[];
  readonly parts: Part[];
  /** The proxies that have it by itself. Absent: only those that have what names it. */
  selection?: Selection;
}

export function newMaking(object: KubeObject): Making {
  return { object, home: object.metadata.namespace ?? '', faults: [], unresolved: [], parts: [] };
}

/** Puts a part together; `pathOf` gives the field of the custom resource that a field of the part is from. */
export function addPart(
  { object, faults, parts }: Making,
  kind: WireKind,
  name: string,
  spec: Plain,
  uses: ReadonlySet<string>,
  pathOf: (path: string) => string,
): void {
  const part = { id: `${kind}/${name}`, kind, name, owner: object, spec, uses };
  const wrong = checked(part);
  if (wrong.length === 0) parts.push(part);
  for (const fault of wrong) faults.push(verdict('Invalid', formatFault({ ...fault, path: pathOf(fault.path) })));
}

export function contentOfPart({ kind, name, spec }: Part): ObjectContent {
  return { key: { kind, name }, labels: {}, spec };
}

interface Checked {
  readonly text: string;
  readonly faults: readonly Fault[];
}

// Objects never change: what came of one, and was checked, holds as long as the same comes of it.
const known = new WeakMap<KubeObject, Map<string, Checked>>();

function checked(part: Part): readonly Fault[] {
  let ofObject = known.get(part.owner);
  if (ofObject === undefined) known.set(part.owner, (ofObject = new Map<string, Checked>()));
  const text = JSON.stringify(part.spec);
  let found = ofObject.get(part.id);
  if (found?.text !== text) ofObject.set(part.id, (found = { text, faults: faultsOf(contentOfPart(part)) }));
  return found.faults;
}

/** What is wrong with what proxies would get. */
export function faultsOf(content: ObjectContent): readonly Fault[] {
  const envelope = checkEnvelope(content);
  return envelope.length > 0 ? envelope : contentFaults(content);
}

/** The name of what is written in an object: no other object has it, of whichever kind. */
export function nameWithin(object: KubeObject, name: string): string {
  return bounded(`${fullName(object)}/${object.kind.toLowerCase()}/${name}`);
}

/** Names of Kubernetes, several in a row, may be longer than ours. */
export function bounded(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const hash = shortHash(name);
  return `${Buffer.from(name)
    .subarray(0, MAX_NAME_BYTES - hash.length - 1)
    .toString()
    .replace(/�$/u, '')}~${hash}`;
}

/** Fields that are there. */
export function given(fields: Readonly<Record<string, Json | undefined>>): Plain {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Plain;
}
