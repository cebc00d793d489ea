/** Fuzz target: a stream of JSON objects, as JSONDecap takes it apart. */
import { ObjectSplitter } from '../../common/json-objects.ts';
import { decode } from '../../dataplane/protocols/json-decap/codec.ts';
import { cut, mutations, texts } from './inputs.ts';

const MAX_OBJECT = 1024;

export const inputs = cut(
  mutations(
    texts(
      '{"metadata":{},"payload":"aGVsbG8="} {"payload":""}\n',
      '{"a":"}\\"{"}{"payload":1}',
      'none {"payload":"x"}',
    ),
    ['{', '}', '"', '\\', '[', ']', ',', ':', '\n', '{"payload":"eA=="}', '[[[[[[[[[[[[[[[['],
  ),
);

/** The first byte says how what follows is cut. Throws where the cut changes what is found. */
export function fuzz(data: Buffer): void {
  const step = (data[0] ?? 0) + 1;
  const stream = data.subarray(1);
  const whole = split(stream, stream.length || 1);
  const cut = split(stream, step);
  if (whole.join('\n') !== cut.join('\n')) throw new Error('expected the same objects however the stream is cut');
}

function split(stream: Buffer, step: number): string[] {
  const found: string[] = [];
  const splitter = new ObjectSplitter(MAX_OBJECT, {
    object: (bytes) => {
      if (bytes.length > MAX_OBJECT) throw new Error(`expected at most ${MAX_OBJECT} bytes, found ${bytes.length}`);
      found.push(decode(bytes)?.toString('hex') ?? 'none');
    },
    skipped: () => found.push('skipped'),
  });
  for (let start = 0; start < stream.length; start += step) splitter.push(stream.subarray(start, start + step));
  splitter.end();
  return found;
}
