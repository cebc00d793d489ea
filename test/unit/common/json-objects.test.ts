import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_DEPTH, ObjectScanner, ObjectSplitter } from '../../../common/json-objects.ts';

/** What a splitter finds in chunks. */
function split(chunks: readonly Buffer[], maxBytes = 1 << 20): { objects: string[]; skipped: number } {
  const found = { objects: [] as string[], skipped: 0 };
  const splitter = new ObjectSplitter(maxBytes, {
    object: (bytes) => found.objects.push(bytes.toString()),
    skipped: () => found.skipped++,
  });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return found;
}

/** The bytes cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.map((end, index) => bytes.subarray(at[index - 1] ?? 0, end));
}

const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }));

describe('JSON objects in a byte stream', () => {
  it('are found wherever chunks end, with any white space, or none, between them', () => {
    const spaces = fc.array(fc.constantFrom(' ', '\n', '\r', '\t')).map((all) => all.join(''));
    const places = fc.array(fc.nat());
    fc.assert(
      fc.property(fc.array(fc.tuple(object, spaces)), places, (items, where) => {
        const texts = items.map(([value]) => JSON.stringify(value));
        const stream = Buffer.from(items.map(([, space], index) => `${texts[index] ?? ''}${space}`).join(''));
        expect(split(cut(stream, where))).to.deep.equal({ objects: texts, skipped: 0 });
      }),
    );
  });

  it('are found at every cut of one byte', () => {
    const text = '{"a":"}\\"{[\\\\","b":[{"ű":{}}]}';
    const bytes = Buffer.from(`\n${text} ${text}`);
    expect(split([...bytes].map((byte) => Buffer.from([byte]))).objects).to.deep.equal([text, text]);
  });

  it('may have anything between them, which is passed over and counted once for each stretch', () => {
    expect(split([Buffer.from('garbage 1 2 3{"a":1}]]]\n{"b":2}x')])).to.deep.equal({
      objects: ['{"a":1}', '{"b":2}'],
      skipped: 3,
    });
  });

  it('that are too long are passed over, and cost no memory', () => {
    const long = JSON.stringify({ long: 'x'.repeat(100) });
    expect(split([Buffer.from(long), Buffer.from('{"a":1}')], 50)).to.deep.equal({ objects: ['{"a":1}'], skipped: 1 });
  });

  it('that are too deep are passed over', () => {
    const deep = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(split([Buffer.from(deep(MAX_DEPTH))]).objects).to.have.length(1);
    expect(split([Buffer.from(deep(MAX_DEPTH + 1)), Buffer.from('{}')])).to.deep.equal({ objects: ['{}'], skipped: 1 });
  });

  it('that are cut short by the end are passed over', () => {
    expect(split([Buffer.from('{"a":1}{"b":')])).to.deep.equal({ objects: ['{"a":1}'], skipped: 1 });
  });

  it('never make hostile bytes throw, nor give more bytes than came', () => {
    const bytes = fc
      .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ' ', '\n', '1', 'a', '\u00e9'))
      .map((all) => Buffer.from(all.join('')));
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            bytes,
            fc.uint8Array().map((raw) => Buffer.from(raw)),
          ),
        ),
        (chunks) => {
          const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
          const { objects } = split(chunks, 64);
          expect(objects.reduce((sum, text) => sum + text.length, 0)).to.be.at.most(total);
        },
      ),
    );
  });

  it('end where the scanner says', () => {
    expect(new ObjectScanner().scan(Buffer.from('xx{"a":{}}rest'), 2)).to.equal(10);
    expect(new ObjectScanner().scan(Buffer.from('{"a":{}'), 0)).to.equal(-1);
  });
});
