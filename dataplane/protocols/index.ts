/** The inventory of protocols: each is loaded when a configuration first names it. */
import type { AnyProtocol } from '../core/protocol.ts';

export const protocols: Readonly<Record<string, () => Promise<{ readonly protocol: AnyProtocol }>>> = {
  AF_PACKET: () => import('./af-packet/index.ts'),
  Discard: () => import('./discard/index.ts'),
  Echo: () => import('./echo/index.ts'),
  HTTP: () => import('./http/index.ts'),
  JSONDecap: () => import('./json-decap/index.ts'),
  JSONEncap: () => import('./json-encap/index.ts'),
  JSONSocket: () => import('./json-socket/index.ts'),
  L7mpController: () => import('./l7mp-controller/index.ts'),
  Logger: () => import('./logger/index.ts'),
  Metric: () => import('./metric/index.ts'),
  Pipe: () => import('./pipe/index.ts'),
  Prometheus: () => import('./prometheus/index.ts'),
  SCTP: () => import('./sctp/index.ts'),
  Stdio: () => import('./stdio/index.ts'),
  StdioFork: () => import('./stdio-fork/index.ts'),
  Sync: () => import('./sync/index.ts'),
  TCP: () => import('./tcp/index.ts'),
  TLS: () => import('./tls/index.ts'),
  UDP: () => import('./udp/index.ts'),
  UnixDatagram: () => import('./unix-datagram/index.ts'),
  UnixDomainSocket: () => import('./unix-domain-socket/index.ts'),
  UnixSeqpacket: () => import('./unix-seqpacket/index.ts'),
  WebSocket: () => import('./websocket/index.ts'),
};
