/** What takes part in the matrix: how each protocol is configured at either end, and what it can carry. */

export interface Carries {
  /** Messages with boundaries; else bytes. */
  readonly messages: boolean;
  /** What comes too fast may be lost. */
  readonly lossy?: true;
  /** The peers of these tests cannot tell an empty message from the end. */
  readonly noEmpty?: true;
  /** The largest message, in bytes. */
  readonly largest: number;
}

const MIB = 1 << 20;

export const CARRIES: Readonly<Record<string, Carries>> = {
  TCP: { messages: false, largest: MIB },
  TLS: { messages: false, largest: MIB },
  HTTP: { messages: false, largest: MIB },
  WebSocket: { messages: true, largest: MIB },
  UDP: { messages: true, lossy: true, largest: 12_000 },
  UnixDomainSocket: { messages: false, largest: MIB },
  UnixDatagram: { messages: true, lossy: true, largest: 12_000 },
  UnixSeqpacket: { messages: true, noEmpty: true, largest: 60_000 },
};

/** Inside the proxy, or a child of it. */
export const INNER: Readonly<Record<string, Carries & { readonly spec: object }>> = {
  Echo: { messages: true, largest: MIB, spec: { protocol: 'Echo' } },
  StdioFork: { messages: false, largest: MIB, spec: { protocol: 'StdioFork', command: 'cat' } },
};

/** The spec of a listener: on a port of the kernel's choice, or on a path. */
export function listenerSpec(protocol: string, path: string, tls: { cert: string; key: string }): object {
  if (protocol.startsWith('Unix')) return { protocol, filename: path };
  return { protocol, address: '127.0.0.1', port: 0, ...(protocol === 'TLS' && { tls }) };
}

/** A cluster in front of a server on a port or path. */
export function clusterOf(protocol: string, place: number | string): object {
  if (typeof place === 'string') return { name: protocol, spec: { protocol, filename: place } };
  const spec = { protocol, port: place, ...(protocol === 'TLS' && { tls: { insecure: true } }) };
  return { name: protocol, spec, endpoints: ['127.0.0.1'] };
}
