/** A stream's connection as packets see it. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { plainAddress } from '../../common/format-address.ts';
import type { Flow } from './offload.ts';

/** A socket without TLS. */
export function isPlain(socket: Duplex): socket is Socket {
  return socket instanceof Socket && !('encrypted' in socket);
}

/** Plain TCP, and connected; no UNIX socket. */
export function isTcp(socket: Duplex): socket is Socket {
  return isPlain(socket) && socket.remoteFamily !== undefined;
}

/** The flow of what the socket's connection carries; or why its packets don't, as `Stream.flow` says it. */
export function tcpFlow(socket: Duplex): Flow | string {
  if (socket.destroyed) return 'a connection that is closed';
  if (!isTcp(socket)) return 'encrypted' in socket ? 'TLS' : 'no TCP connection';
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined || localPort === undefined) return 'a connection without an address of its own';
  if (remoteAddress === undefined || remotePort === undefined) return 'a connection that is closed';
  return {
    transport: 'tcp',
    local: { address: plainAddress(localAddress), port: localPort },
    remote: { address: plainAddress(remoteAddress), port: remotePort },
  };
}
