/** Any bytes as the start of a connection: what is read of a ClientHello is the same however it comes, and it is said early. */
import { isDeepStrictEqual } from 'node:util';
import { MAX_CLIENT_HELLO, parseClientHello } from '../../dataplane/sockets/client-hello.ts';
import { mutations } from './inputs.ts';

const EXTENSIONS = '0000000e000c0000096c6f63616c686f7374001000080006026832017800';
const HELLO = `0303${'ab'.repeat(32)}00000213010100`;

function record(body: Buffer): Buffer {
  const head = Buffer.from([22, 3, 1, 0, 0]);
  head.writeUInt16BE(body.length, 3);
  return Buffer.concat([head, body]);
}

function hello(extensions: string): Buffer {
  const lists = Buffer.from(extensions, 'hex');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(lists.length);
  const body = Buffer.concat([Buffer.from(HELLO, 'hex'), length, lists]);
  const head = Buffer.from([1, 0, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const WHOLE = hello(EXTENSIONS);

export const inputs = mutations(
  [
    record(WHOLE),
    Buffer.concat([record(WHOLE.subarray(0, 3)), record(WHOLE.subarray(3))]),
    record(hello('')),
    record(Buffer.concat([Buffer.from([1, 0, 0, 0x27]), Buffer.from(HELLO, 'hex')])),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ],
  ['\x16\x03\x01', '\x16\x03\x03\x00\x01', '\x00\x00', '\xff\xff', '\x00\x10'],
);

export function fuzz(data: Buffer): void {
  const whole = parseClientHello(data);
  if (whole === 'incomplete') {
    if (data.length > 3 * MAX_CLIENT_HELLO) throw new Error('it waits for more than any ClientHello has');
    return;
  }
  // What was decided stays decided, whatever follows; and what is not, is decided by no more than that.
  if (!isDeepStrictEqual(parseClientHello(Buffer.concat([data, Buffer.from([0, 22, 255])])), whole)) {
    throw new Error('what follows changed it');
  }
  for (let length = 0; length < data.length; length += 1 + (length >> 4)) {
    const part = parseClientHello(data.subarray(0, length));
    if (part !== 'incomplete' && !isDeepStrictEqual(part, whole)) throw new Error(`it was decided by ${length} bytes`);
  }
}
