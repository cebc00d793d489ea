/** Fuzz target: messages in a byte stream. Any cut gives the same ones, and what is framed is taken apart again. */
import { ProxyError } from '../../common/errors.ts';
import { Deframer, frame, type FramingKind } from '../../dataplane/pipeline/framing.ts';
import { cut, mutations, texts } from './inputs.ts';

const KINDS: readonly FramingKind[] = ['length-prefix-2', 'length-prefix-4', 'newline'];

export const inputs = cut(
  mutations(texts('\0\x03abc\0\0\0\x01x', '\0\0\0\x03abc\0\0\0\0', 'one\ntwo\n\nrest', '\xff\xffx'), [
    '\0',
    '\0\0\0\x02',
    '\n',
    '\x01\0\0\0',
    '\xff',
  ]),
);

/** The first byte says how what follows is cut. */
export function fuzz(data: Buffer): void {
  const step = (data[0] ?? 0) + 1;
  const stream = data.subarray(1);
  for (const kind of KINDS) {
    const whole = deframe(kind, stream, stream.length || 1);
    const pieces = deframe(kind, stream, step);
    if (whole.join() !== pieces.join()) throw new Error(`${kind}: expected ${whole.join()}, found ${pieces.join()}`);
    if (kind === 'newline' && stream.includes(10)) continue;
    const again = deframe(kind, Buffer.concat([frame(kind, stream), frame(kind, stream)]), step);
    const message = stream.toString('hex');
    if (again.join() !== [message, message].join())
      throw new Error(`${kind}: expected ${message} twice, found ${again.join()}`);
  }
}

function deframe(kind: FramingKind, stream: Buffer, step: number): string[] {
  const messages: string[] = [];
  const deframer = new Deframer(kind, (message) => messages.push(message.toString('hex')));
  try {
    for (let start = 0; start < stream.length; start += step) deframer.push(stream.subarray(start, start + step));
    deframer.end();
  } catch (error) {
    if (!(error instanceof ProxyError) || error.code !== 'TOO_LARGE') throw error;
    messages.push('TOO_LARGE');
  }
  return messages;
}
