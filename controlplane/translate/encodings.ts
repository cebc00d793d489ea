/** What objects say, decoded and encoded once, and kept as long as someone uses it. */
import type { Fault } from '../../gen/messages.ts';
import { checkEnvelope, decodeContent } from '../model/decode-content.ts';
import type { ConfigObject } from '../model/object.ts';
import { resourceId } from '../model/resource-id.ts';
import { Claims } from './claims.ts';
import { encode, type Encoded } from './encode.ts';

export interface Encoding {
  readonly encoded?: Encoded;
  readonly faults: readonly Fault[];
  /** The faults are about other objects, too. */
  readonly relational: boolean;
}

export class Encodings {
  /** Times that an object was encoded so far. */
  count = 0;
  private readonly used = new Map<string, Encoded>();
  /** Of the change that was looked at last, until it is made. */
  private readonly prepared = new Map<string, Encoded>();

  /** Takes what looking at an object has given already. */
  prepare(object: ConfigObject, encoded: Encoded): void {
    this.prepared.set(keyOf(object), encoded);
  }

  /** The change that was looked at is made, or is not to be. */
  forgetPrepared(): void {
    this.prepared.clear();
  }

  of(object: ConfigObject, claims: Claims): Encoding {
    const wrong = object.faults ?? [];
    if (wrong.length > 0) return { faults: wrong, relational: false };
    const key = keyOf(object);
    const known = this.used.get(key) ?? this.prepared.get(key);
    if (known) {
      this.used.set(key, known);
      return { encoded: known, faults: [], relational: false };
    }
    const envelope = checkEnvelope(object);
    if (envelope.length > 0) return { faults: envelope, relational: false };
    const contents = decodeContent(object, claims.others());
    if (contents.parts === undefined) {
      const alone = decodeContent(object, new Claims().others());
      return { faults: contents.faults, relational: alone.parts !== undefined };
    }
    try {
      this.count++;
      const encoded = encode(object, contents.parts);
      this.used.set(key, encoded);
      return { encoded, faults: [], relational: false };
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return { faults: [{ path: '', expected: 'what can be encoded', found }], relational: false };
    }
  }

  /** Drops what an object said where nobody has its names any more. */
  release(object: ConfigObject, claims: Claims): void {
    const key = keyOf(object);
    const [resource] = this.used.get(key)?.resources ?? [];
    const holders = resource ? [...claims.of(resourceId(resource))] : [];
    if (!holders.some((holder) => keyOf(holder.object) === key)) this.used.delete(key);
  }
}

function keyOf({ id, version }: ConfigObject): string {
  return `${id}@${version}`;
}
