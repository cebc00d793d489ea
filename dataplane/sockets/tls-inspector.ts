/** Looks at what a connection begins with, and leaves it there to be read: TLS that passes through is routed by what it asks for. */
import type { Socket } from 'node:net';
import { ProxyError } from '../../common/errors.ts';
import type { Metadata } from '../core/session.ts';
import { type ClientHello, parseClientHello } from './client-hello.ts';

/**
 * `TLS` of the metadata, with `sni` and `offered_alpn`; nothing where the connection does not begin with TLS, or says too little
 * within `timeout` ms (its server may speak first).
 *
 * @throws ProxyError `PEER_CLOSED` where a ClientHello was cut short, or what the socket fails with.
 */
export async function inspectTls(socket: Socket, timeout: number): Promise<Metadata> {
  const hello = await readHello(socket, timeout);
  if (hello === undefined) return {};
  const { serverName, alpn } = hello;
  return { TLS: { ...(serverName !== undefined && { sni: serverName }), offered_alpn: [...alpn] } };
}

function readHello(socket: Socket, timeout: number): Promise<ClientHello | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('readable', read).off('end', end).off('close', gone).off('error', fail);
    };
    const finish = (hello: ClientHello | undefined): void => {
      settle();
      if (bytes.length > 0) socket.unshift(bytes);
      resolve(hello);
    };
    const fail = (error: Error): void => {
      settle();
      reject(ProxyError.from(error, 'PEER_RESET'));
    };
    const give = (): void => finish(undefined);
    const gone = (): void => fail(new ProxyError('PEER_CLOSED', 'expected a ClientHello, found the end'));
    const end = (): void => (bytes.length > 0 ? gone() : give());
    const read = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const hello = parseClientHello(bytes);
      if (hello !== 'incomplete') finish(hello === 'absent' ? undefined : hello);
    };
    const timer = setTimeout(give, timeout);
    socket.on('readable', read).on('end', end).on('close', gone).on('error', fail);
  });
}
