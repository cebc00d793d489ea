/** PROXY protocol headers on sockets: read in front of a client's bytes, written in front of ours. */
import type { Socket } from 'node:net';
import { ProxyError } from '../core/errors.ts';
import type { Metadata } from '../core/session.ts';
import type { Ends } from './addresses.ts';
import { formatProxyHeader, parseProxyHeader } from './proxy-codec.ts';

/** Whether listeners expect a header. */
export type ProxyMode = 'off' | 'optional' | 'required';

/** How long a header may take, in ms. */
const TIMEOUT = 10_000;

export interface ProxyFacts {
  readonly ends: Ends;
  /** `PROXY` where there was a header. */
  readonly metadata: Metadata;
}

/** Who the client is: by the header, else by the socket. What is behind the header stays unread. @throws ProxyError */
export async function readProxyHeader(socket: Socket, mode: ProxyMode, ends: Ends): Promise<ProxyFacts> {
  if (mode === 'off') return { ends, metadata: {} };
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    let gathered = Buffer.alloc(0);
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('readable', read).off('error', fail).off('close', closed);
    };
    const fail = (error: Error): void => {
      settle();
      reject(ProxyError.from(error, 'PROTOCOL_ERROR'));
    };
    const closed = (): void => fail(new ProxyError('PEER_CLOSED', 'expected a PROXY header, found the end'));
    const read = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        if (socket.readableEnded) closed();
        return;
      }
      gathered = Buffer.concat([gathered, chunk]);
      try {
        if (parseProxyHeader(gathered) === 'incomplete') return;
        settle();
        resolve(gathered);
      } catch (error) {
        fail(error as Error);
      }
    };
    const timer = setTimeout(() => fail(new ProxyError('PROTOCOL_ERROR', 'no PROXY header in time')), TIMEOUT);
    socket.on('readable', read).on('error', fail).on('close', closed);
  });
  const header = parseProxyHeader(bytes);
  if (header === 'incomplete' || header === 'absent') {
    if (mode === 'required') throw new ProxyError('PROTOCOL_ERROR', 'expected a PROXY header, found other bytes');
    socket.unshift(bytes);
    return { ends, metadata: {} };
  }
  if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length));
  const { version, tlvs } = header;
  return { ends: header.ends ?? ends, metadata: { PROXY: { version, tlvs, proxy_addr: ends.srcAddress } } };
}

/** The header for a session's client. */
export function proxyHeaderOf(version: 'v1' | 'v2', metadata: Metadata): Buffer {
  const ip = metadata['IP'] as Metadata | undefined;
  const ports = (metadata['TCP'] ?? metadata['UDP']) as Metadata | undefined;
  const [source, destination] = [ip?.['src_addr'], ip?.['dst_addr']];
  const [srcPort, dstPort] = [ports?.['src_port'], ports?.['dst_port']];
  const known = typeof source === 'string' && typeof destination === 'string';
  if (!known || !isPort(srcPort) || !isPort(dstPort)) return formatProxyHeader(version, undefined);
  return formatProxyHeader(version, { srcAddress: source, dstAddress: destination, srcPort, dstPort });
}

/** Rules may have written anything there. */
function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535;
}
