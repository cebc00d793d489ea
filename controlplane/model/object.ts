/** A configuration object as the control plane works with it, wherever it is from. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { Fault, Object as Shown, ObjectKey, Selector } from '../../gen/messages.ts';
import { WIRE_KINDS, type WireKind } from '../../config/wire-kinds.ts';
import { canonicalJson, shortHash } from './canonical.ts';
import { isEverybody } from './selector.ts';

/** The most that an object may take, as it is stored. */
export const MAX_OBJECT_BYTES = 512 * 1024;

/** What an object says and for whom. Immutable. */
export interface ObjectContent {
  readonly key: ObjectKey;
  /** Absent: for all. */
  readonly selector?: Selector | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, Json>> | undefined;
  readonly raw?: Buffer | undefined;
}

/** An object with where it is from. Immutable. */
export interface ConfigObject extends ObjectContent {
  /** `Listener/web`: its key in one string. */
  readonly id: string;
  /** The hash of what it says and for whom. */
  readonly version: string;
  /** The store's revision at its last change; 0 where it is not from the store. */
  readonly revision: number;
  /** `api`, or `file:NAME`. */
  readonly source: string;
  /** ISO 8601. */
  readonly changedAt?: string | undefined;
  /** What is wrong with the text that it is from: it can't be used, whatever it says. */
  readonly faults?: readonly Fault[] | undefined;
}

export function idOf({ kind, name }: ObjectKey): string {
  return `${kind}/${name}`;
}

export function isWireKind(kind: string): kind is WireKind {
  return (WIRE_KINDS as readonly string[]).includes(kind);
}

/** The hash of what an object says and for whom. */
export function versionOf({ key, selector, spec, raw }: ObjectContent): string {
  return shortHash(canonicalJson({ key, selector, spec, raw: raw?.toString('base64') }));
}

/** The object as it is when it has been stored. */
export function asObject(content: ObjectContent): ConfigObject {
  return { ...content, id: idOf(content.key), version: versionOf(content), revision: 0, source: 'api' };
}

/** What a message of the API says, without what is the server's to set. */
export function contentOf({ key, selector, labels, spec, raw }: Shown): ObjectContent {
  return {
    key: { kind: key?.kind ?? '', name: key?.name ?? '' },
    selector: selector === undefined || isEverybody(selector) ? undefined : selector,
    labels,
    spec,
    raw,
  };
}

/** Whether storing it would change nothing. */
export function isSame(one: ConfigObject, other: ConfigObject): boolean {
  return one.version === other.version && canonicalJson(one.labels) === canonicalJson(other.labels);
}

interface Stored {
  readonly kind: string;
  readonly name: string;
  readonly selector?: Selector;
  readonly labels?: Record<string, string>;
  readonly spec?: Record<string, Json>;
  /** Base64. */
  readonly raw?: string;
  readonly changed_at?: string;
}

/** The object as the store has it. */
export function toStored({ key, selector, labels, spec, raw }: ObjectContent, changedAt: string | undefined): Buffer {
  const { kind, name } = key;
  const stored = { kind, name, selector, labels, spec, raw: raw?.toString('base64'), changed_at: changedAt };
  return Buffer.from(canonicalJson(stored));
}

/** @throws SyntaxError where the value isn't what `toStored` made. */
export function fromStored(value: Buffer, revision: number): ConfigObject {
  const {
    kind,
    name,
    selector,
    labels = {},
    spec,
    raw,
    changed_at: changedAt,
  } = JSON.parse(value.toString()) as Stored;
  const content: ObjectContent = {
    key: { kind, name },
    selector,
    labels,
    spec,
    raw: raw === undefined ? undefined : Buffer.from(raw, 'base64'),
  };
  return { ...content, id: idOf(content.key), version: versionOf(content), revision, source: 'api', changedAt };
}
