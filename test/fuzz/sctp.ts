/** Fuzz target: messages that come in parts. Each byte is the length of a part; odd ones are the last of a message. */
import { Reassembly } from '../../dataplane/protocols/sctp/codec.ts';
import { mutations } from './inputs.ts';

const MAX_MESSAGE = 300;

export const inputs = mutations([Buffer.from([2, 4, 1]), Buffer.from([254, 253, 3]), Buffer.from([0, 0, 1])]);

export function fuzz(data: Buffer): void {
  const reassembly = new Reassembly(MAX_MESSAGE);
  let expected = Buffer.alloc(0);
  data.forEach((length, index) => {
    const part = Buffer.alloc(length, index);
    const last = length % 2 === 1;
    expected = Buffer.concat([expected, part]);
    const found = reassembly.add(part, last);
    if (expected.length > MAX_MESSAGE) {
      if (found !== 'TOO_LARGE') throw new Error(`expected TOO_LARGE for ${expected.length} bytes`);
    } else if (!last) {
      if (found !== undefined) throw new Error('expected nothing before the last part');
      return;
    } else if (!Buffer.isBuffer(found) || !found.equals(expected)) throw new Error('expected all parts in order');
    expected = Buffer.alloc(0);
  });
}
