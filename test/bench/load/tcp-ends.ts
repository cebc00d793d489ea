/** Both ends of a TCP connection, in one process: the client's, and what the server accepts. */
import { accept, enterNamespace, SOCK_NONBLOCK, tcpConnect, tcpListen } from './syscalls.ts';

export interface TcpPlaces {
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
}

const LIMIT_MS = 10_000;
const PAUSE_MS = 1;

/** Descriptors of both ends, which do not block. */
export function connectEnds(places: TcpPlaces): { readonly client: number; readonly server: number } {
  enterNamespace(places.serverNamespace);
  const listener = tcpListen(places.serverAddress, places.serverPort);
  enterNamespace(places.clientNamespace);
  const client = tcpConnect(places.targetAddress, places.targetPort);
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
    const server = accept(listener, null, null, SOCK_NONBLOCK);
    if (server >= 0) return { client, server };
    Atomics.wait(sleeper, 0, 0, PAUSE_MS);
  }
  throw new Error(`expected a connection at ${places.serverAddress}, found none within ${LIMIT_MS} ms`);
}
