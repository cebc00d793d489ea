/** Any bytes as the start of a connection: reading gives a header within them, or says why not; and says it early. */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { ProxyError } from '../../common/errors.ts';
import { formatProxyHeader, parseProxyHeader } from '../../dataplane/sockets/proxy-codec.ts';
import { mutations, texts } from './inputs.ts';

const ENDS = { srcAddress: '10.0.0.1', dstAddress: '10.0.0.2', srcPort: 1, dstPort: 65535 };
const ENDS6 = { srcAddress: '::1', dstAddress: 'fe80::1', srcPort: 1, dstPort: 2 };

export const inputs = mutations(
  [
    ...[ENDS, ENDS6].flatMap((ends) => [formatProxyHeader('v1', ends), formatProxyHeader('v2', ends)]),
    ...texts('PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n'),
    Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
  ],
  ['PROXY', ' ', 'TCP4', 'TCP6', '\r\n', '0', '65536', '::', '\0', '\r\n\r\n\0\r\nQUIT\n'],
);

function read(bytes: Buffer): ReturnType<typeof parseProxyHeader> | 'malformed' {
  try {
    return parseProxyHeader(bytes);
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'PROTOCOL_ERROR') return 'malformed';
    throw error;
  }
}

export function fuzz(data: Buffer): void {
  const header = read(data);
  if (header === 'incomplete' && data.length > 16 + 4096) throw new Error('it waits for more than any header has');
  if (typeof header === 'string') return;

  const { length, ends } = header;
  if (length > data.length) throw new Error(`a header of ${length} bytes in ${data.length}`);
  const whole = read(data.subarray(0, length));
  if (typeof whole === 'string' || whole.length !== length) throw new Error('what follows a header changed it');
  if (read(data.subarray(0, length - 1)) !== 'incomplete') throw new Error('its last byte did not count');

  if (ends === undefined) return;
  if (isIP(ends.srcAddress) === 0 || isIP(ends.dstAddress) === 0) throw new Error('an end without an address');
  for (const version of ['v1', 'v2'] as const) {
    const again = parseProxyHeader(formatProxyHeader(version, ends));
    if (typeof again === 'string' || !isDeepStrictEqual(again.ends, ends)) {
      throw new Error(`written in ${version}, ${JSON.stringify(ends)} is read as ${JSON.stringify(again)}`);
    }
  }
}
