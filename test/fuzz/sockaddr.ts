/** Any bytes as a socket address: decoding never throws, and what it gives is encoded to the same again. */
import { isIP } from 'node:net';
import { decodeInet, decodeUnix, encodeInet, encodeUnix } from '../../dataplane/sockets/native/sockaddr.ts';
import { mutations } from './inputs.ts';

export const inputs = mutations([
  encodeInet('127.0.0.1', 80),
  encodeInet('fe80::1', 65535),
  encodeUnix('/tmp/socket'),
  encodeUnix('@abstract'),
]);

export function fuzz(data: Buffer): void {
  const path = decodeUnix(data);
  // Names that aren't UTF-8, too long, or that begin with @ without being abstract can't be said in text.
  const sayable =
    path !== '' && path !== '@' && path.length <= 40 && !/[\0\uFFFD]/u.test(path) && !path.startsWith('@');
  if (sayable && decodeUnix(encodeUnix(path)) !== path) throw new Error(`path ${path}`);

  const inet = decodeInet(data);
  if (inet !== undefined) {
    if (isIP(inet.address) === 0) throw new Error(`no address: ${inet.address}`);
    const again = decodeInet(encodeInet(inet.address, inet.port));
    if (again?.address !== inet.address || again.port !== inet.port) throw new Error(`address ${inet.address}`);
  }
}
