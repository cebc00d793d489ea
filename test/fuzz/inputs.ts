/** Inputs of fuzz targets: valid examples with a few changes, as fast-check can make, shrink and make again. */
import fc from 'fast-check';

/** One change of some bytes. Places beyond the end count from the start again. */
type Edit =
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'replace'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number };

const place = fc.nat(4096);
const length = fc.nat(16);

/**
 * The examples, changed in up to eight places. `tokens` are words of the format: they are put where random bytes would
 * hardly ever make them.
 */
export function mutations(examples: readonly Buffer[], tokens: readonly string[] = []): fc.Arbitrary<Buffer> {
  const few = fc.uint8Array({ maxLength: 8 });
  const words = tokens.map((token) => Buffer.from(token, 'latin1'));
  const bytes = words.length === 0 ? few : fc.oneof(few, { weight: 2, arbitrary: fc.constantFrom(...words) });
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), at: place, bytes }),
    fc.record({ kind: fc.constant('replace' as const), at: place, bytes }),
    fc.record({ kind: fc.constant('remove' as const), at: place, length }),
    fc.record({ kind: fc.constant('repeat' as const), at: place, length, times: fc.nat(20) }),
    fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  );
  return fc
    .tuple(fc.constantFrom(...examples), fc.array(edit, { maxLength: 8 }))
    .map(([example, edits]) => edits.reduce(change, example));
}

/** Texts in one byte a character, as the examples of `mutations`. */
export function texts(...examples: readonly string[]): Buffer[] {
  return examples.map((example) => Buffer.from(example, 'latin1'));
}

/** Inputs whose first byte says how the rest is cut. */
export function cut(inputs: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.tuple(fc.nat(255), inputs).map(([step, bytes]) => Buffer.concat([Buffer.from([step]), bytes]));
}

/** Values as the JSON that a target reads. */
export function asJson(values: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  return values.map((value) => Buffer.from(JSON.stringify(value)));
}

/** The value that `asJson` wrote; undefined where a change made it something else. */
export function fromJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function change(bytes: Buffer, edit: Edit): Buffer {
  const at = edit.at % (bytes.length + 1);
  const before = bytes.subarray(0, at);
  switch (edit.kind) {
    case 'insert':
      return Buffer.concat([before, edit.bytes, bytes.subarray(at)]);
    case 'replace':
      return Buffer.concat([before, edit.bytes, bytes.subarray(at + edit.bytes.length)]);
    case 'remove':
      return Buffer.concat([before, bytes.subarray(at + edit.length)]);
    case 'repeat': {
      const part = bytes.subarray(at, at + edit.length);
      return Buffer.concat([before, ...Array<Buffer>(edit.times).fill(part), bytes.subarray(at)]);
    }
    case 'flip': {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped.writeUInt8((flipped[at] ?? 0) ^ (1 << edit.bit), at);
      return flipped;
    }
  }
}
