/** Fuzz target: the first bytes of a JSONSocket, from a client and from a server, on byte streams and in datagrams. */
import { HeaderReader, parseRequest, parseResponse } from '../../dataplane/protocols/json-socket/codec.ts';
import { cut, mutations, texts } from './inputs.ts';

const MAX_HEADER = 4096;

export const inputs = cut(
  mutations(
    texts(
      '{"JSONSocketVersion":1}payload',
      ' {"JSONSocketVersion":1,"a":{"b":["}\\"",1.5e3,null]}}',
      '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}',
      '{"JSONSocketVersion":2}',
    ),
    ['{', '}', '"', '\\', '[', ']', ',', ':', '__proto__', '{"JSONSocketVersion":1}', '[[[[[[[[[[[[[[[['],
  ),
);

/** The first byte says how what follows is cut. Throws where a header is not what its bytes are. */
export function fuzz(data: Buffer): void {
  const step = (data[0] ?? 0) + 1;
  const stream = data.subarray(1);
  for (const parse of [parseRequest, parseResponse]) {
    new HeaderReader('datagrams', MAX_HEADER, parse).push(stream);
    const reader = new HeaderReader('bytes', MAX_HEADER, parse);
    for (let start = 0; start < stream.length; start += step) {
      const received = reader.push(stream.subarray(start, start + step));
      if (received === undefined) continue;
      if (received.refusal === undefined) {
        const taken = received.bytes.length + received.rest.length;
        if (taken > start + step) throw new Error('expected no more bytes than came');
        JSON.stringify(received.header);
      }
      break;
    }
  }
}
