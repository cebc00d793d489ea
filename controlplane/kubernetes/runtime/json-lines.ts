/** JSON values, one a line, out of chunks of bytes. */

const NEWLINE = 0x0a;

/**
 * The values of a stream, those of a chunk together. What follows the last newline is no whole value: it is dropped.
 *
 * @throws SyntaxError for a line that isn't JSON, RangeError for one of more than `maxBytes`
 */
export async function* jsonLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<unknown[]> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const grow = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > maxBytes) throw new RangeError(`expected lines of at most ${maxBytes} bytes, found a longer one`);
    if (part.length > 0) parts.push(part);
  };
  for await (const chunk of chunks) {
    const values: unknown[] = [];
    let start = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      grow(chunk.subarray(start, end));
      if (bytes > 0) values.push(JSON.parse(textOf(parts)));
      parts = [];
      bytes = 0;
    }
    grow(chunk.subarray(start));
    if (values.length > 0) yield values;
  }
}

function textOf(parts: readonly Buffer[]): string {
  const [first] = parts;
  // Most lines are whole in a chunk.
  return (first && parts.length === 1 ? first : Buffer.concat(parts)).toString();
}
