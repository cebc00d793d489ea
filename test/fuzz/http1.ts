/** Fuzz target: HTTP/1.1 as a server and a client read it, whole and in pieces. */
import {
  BodyDecoder,
  type BodyKind,
  findHeadEnd,
  formatFields,
  formatLastChunk,
  parseRequestHead,
  parseResponseHead,
  requestBody,
  responseBody,
} from '../../dataplane/protocols/http/codec.ts';
import { ProxyError } from '../../common/errors.ts';
import type { HeaderList } from '../../dataplane/core/stream.ts';
import { cut, mutations, texts } from './inputs.ts';

export const inputs = cut(
  mutations(
    texts(
      'POST /a?b HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello',
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx: y\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\nok',
      'HTTP/1.0 404 Not Found\r\n\r\nuntil the end',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n',
    ),
    [
      '\r\n',
      '\n',
      '\0',
      ':',
      ' ',
      '5\r\nhello\r\n',
      '0\r\n',
      'content-length: 5\r\n',
      'transfer-encoding: chunked\r\n',
    ],
  ),
);

/** The first byte says how what follows is cut. Throws where the pieces are read as something else than the whole. */
export function fuzz(data: Buffer): void {
  const step = (data[0] ?? 0) + 1;
  const message = data.subarray(1);
  for (const read of [readRequest, readResponse]) {
    const whole = outcome(() => read(message, message.length));
    const pieces = outcome(() => read(message, step));
    if (whole !== pieces) throw new Error(`expected ${whole} of pieces of ${step}, found ${pieces}`);
  }
}

function readRequest(message: Buffer, step: number): string {
  const end = findHeadEnd(message, 0);
  if (end < 0) return 'incomplete';
  const head = parseRequestHead(message, 0, end);
  expectLines(head.names, head.values);
  return readBody(requestBody(head), message.subarray(end), step);
}

function readResponse(message: Buffer, step: number): string {
  const end = findHeadEnd(message, 0);
  if (end < 0) return 'incomplete';
  const head = parseResponseHead(message, 0, end);
  expectLines(head.names, head.values);
  return readBody(responseBody(head, 'GET'), message.subarray(end), step);
}

function readBody(kind: BodyKind, bytes: Buffer, step: number): string {
  const parts: Buffer[] = [];
  let trailers: HeaderList = [];
  const decoder = new BodyDecoder(kind, {
    bodyData: (chunk) => parts.push(chunk),
    bodyTrailers: (list) => (trailers = list),
  });
  let end = 0;
  for (let start = 0; start < bytes.length && !decoder.done; start += step) {
    const piece = bytes.subarray(start, start + step);
    const taken = decoder.push(piece, 0);
    end = start + taken;
    if (taken !== piece.length) break;
  }
  if (end !== bytes.length && !decoder.done) throw new Error('expected all bytes taken');
  const body = Buffer.concat(parts);
  if (body.length > bytes.length) throw new Error('expected no more bytes than came');
  if (!/^0\r\n(?:[^\r\n]+\r\n)*\r\n$/u.test(formatLastChunk(trailers))) throw new Error('expected whole trailers');
  return JSON.stringify([kind, decoder.done, end, body.toString('latin1'), trailers]);
}

/** What is read can be written again, each field on a line of its own. */
function expectLines(names: readonly string[], values: readonly string[]): void {
  const text = formatFields(names.flatMap((name, index) => [name, values[index] ?? '']));
  if (text.split('\r\n').length !== names.length + 1) throw new Error('expected a line for each field');
}

/** What is read, or why it is refused. */
function outcome(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProxyError) return error.message;
    throw error;
  }
}
