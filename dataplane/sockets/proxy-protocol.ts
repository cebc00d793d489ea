/** PROXY protocol headers on sockets: read in front of a client's bytes, written in front of ours. */
import type { Socket } from 'node:net';
import { ProxyError } from '../../common/errors.ts';
import { jsonObject } from '../../common/json.ts';
import type { Metadata } from '../core/session.ts';
import type { Ends } from './addresses.ts';
import { formatProxyHeader, parseProxyHeader, type ProxyHeader } from './proxy-codec.ts';

export interface ProxyFacts {
  /** The client's, by the header; the socket's where it names none. */
  readonly ends: Ends;
  /** `PROXY` where there was a header. */
  readonly metadata: Metadata;
}

/**
 * Reads the header in front of a connection; what is behind it stays unread. In `optional` mode a client that says
 * nothing within `timeout` ms (its server may speak first), or something else, has none.
 *
 * @throws ProxyError `PROTOCOL_ERROR`, `PEER_CLOSED`, or what the socket fails with.
 */
export async function readProxyHeader(
  socket: Socket,
  mode: 'optional' | 'required',
  peer: Ends,
  timeout: number,
): Promise<ProxyFacts> {
  const header = await readHeader(socket, mode === 'optional', timeout);
  if (header === undefined) return { ends: peer, metadata: {} };
  const { ends = peer, version, tlvs } = header;
  return { ends, metadata: { PROXY: { version, tlvs, proxy_addr: peer.srcAddress } } };
}

/** Undefined where there is none, and none is wanted. */
function readHeader(socket: Socket, optional: boolean, timeout: number): Promise<ProxyHeader | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('readable', read).off('end', end).off('close', end).off('error', fail);
    };
    const fail = (error: Error): void => {
      settle();
      reject(ProxyError.from(error, 'PEER_RESET'));
    };
    const absent = (error: ProxyError): void => {
      if (!optional) {
        fail(error);
        return;
      }
      settle();
      if (bytes.length > 0) socket.unshift(bytes);
      resolve(undefined);
    };
    /** A header that was begun is none that may be missing. */
    const give = (error: ProxyError): void => (bytes.length > 0 ? fail(error) : absent(error));
    const end = (): void => give(new ProxyError('PEER_CLOSED', 'expected a PROXY header, found the end'));
    const read = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      try {
        const header = parseProxyHeader(bytes);
        if (header === 'incomplete') return;
        if (header === 'absent') {
          absent(new ProxyError('PROTOCOL_ERROR', 'expected a PROXY header, found other bytes'));
          return;
        }
        settle();
        if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length));
        resolve(header);
      } catch (error) {
        fail(error as Error);
      }
    };
    const timer = setTimeout(() => {
      give(new ProxyError('PROTOCOL_ERROR', `expected a PROXY header within ${timeout} ms`));
    }, timeout);
    socket.on('readable', read).on('end', end).on('close', end).on('error', fail);
  });
}

/** The header that tells who a session's client is. */
export function proxyHeaderOf(version: 'v1' | 'v2', metadata: Metadata): Buffer {
  const { src_addr: srcAddress, dst_addr: dstAddress } = jsonObject(metadata['IP']);
  const { src_port: srcPort, dst_port: dstPort } = jsonObject(metadata['TCP'] ?? metadata['UDP'] ?? metadata['SCTP']);
  const isKnown =
    typeof srcAddress === 'string' && typeof dstAddress === 'string' && isPort(srcPort) && isPort(dstPort);
  return formatProxyHeader(version, isKnown ? { srcAddress, srcPort, dstAddress, dstPort } : undefined);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535;
}
