/** What takes part in the matrix: how each protocol is configured at either end, and what it can carry. */

export interface Carries {
  /** Messages with boundaries; else bytes. */
  readonly messages: boolean;
  /** What comes too fast may be lost. */
  readonly lossy?: true;
  /** The peers of these tests cannot tell an empty message from the end. */
  readonly noEmpty?: true;
  /** Clients cannot end their side alone. */
  readonly noEnd?: true;
  /** The largest message, in bytes. */
  readonly largest: number;
}

const MIB = 1 << 20;
const BYTES: Carries = { messages: false, largest: MIB };
const DATAGRAMS: Carries = { messages: true, lossy: true, noEnd: true, largest: 12_000 };

export const CARRIES: Readonly<Record<string, Carries>> = {
  TCP: BYTES,
  TLS: { ...BYTES, noEnd: true },
  HTTP: BYTES,
  WebSocket: { messages: true, noEnd: true, largest: MIB },
  UDP: DATAGRAMS,
  UnixDomainSocket: BYTES,
  UnixDatagram: DATAGRAMS,
  UnixSeqpacket: { messages: true, noEmpty: true, largest: 60_000 },
  'JSONSocket over TCP': BYTES,
  'JSONSocket over UDP': DATAGRAMS,
  Pipe: BYTES,
  Stdio: BYTES,
};

/** Inside the proxy, or a child of it: there is no server. */
export const INNER: Readonly<Record<string, Carries & { readonly spec: object; readonly address: string }>> = {
  Echo: { messages: true, largest: MIB, spec: { protocol: 'Echo' }, address: 'echo' },
  StdioFork: { ...BYTES, spec: { protocol: 'StdioFork', command: 'cat' }, address: 'exec:cat' },
};

const JSON_SOCKET = 'JSONSocket over ';

/** The spec of a listener: on a port of the kernel's choice, or on a path. */
export function listenerSpec(protocol: string, path: string, tls: { cert: string; key: string }): object {
  if (protocol.startsWith(JSON_SOCKET)) {
    const transport = listenerSpec(protocol.slice(JSON_SOCKET.length), path, tls);
    return { protocol: 'JSONSocket', transport_spec: transport };
  }
  if (protocol === 'Pipe') return { protocol, path, reply_path: `${path}.reply` };
  if (protocol.startsWith('Unix')) return { protocol, filename: path };
  return { protocol, address: '127.0.0.1', port: 0, ...(protocol === 'TLS' && { tls }) };
}

function clusterSpec(protocol: string, place: number | string): object {
  if (protocol.startsWith(JSON_SOCKET)) {
    return { protocol: 'JSONSocket', transport_spec: clusterSpec(protocol.slice(JSON_SOCKET.length), place) };
  }
  if (protocol === 'Pipe') return { protocol, path: place, reply_path: `${place}.reply` };
  if (typeof place === 'string') return { protocol, filename: place };
  return { protocol, port: place, ...(protocol === 'TLS' && { tls: { insecure: true } }) };
}

/** A cluster in front of a server on a port or path. */
export function clusterOf(name: string, place: number | string): object {
  const spec = clusterSpec(protocolOf(name), place);
  return typeof place === 'string' ? { name, spec } : { name, spec, endpoints: ['127.0.0.1'] };
}

/** Named pipes have one session at a time: each entry has its own server there. */
export function serverOf(entry: string, cluster: string): string {
  return cluster === 'Pipe' ? `Pipe-${entry}` : cluster;
}

function protocolOf(server: string): string {
  return server.split('-')[0]!;
}

const SCHEMES: Readonly<Record<string, string>> = {
  TCP: 'tcp',
  TLS: 'tls',
  HTTP: 'http',
  WebSocket: 'ws',
  UDP: 'udp',
  UnixDomainSocket: 'unix',
  UnixDatagram: 'unix-dgram',
  UnixSeqpacket: 'unix-seqpacket',
  Pipe: 'pipe',
  'JSONSocket over TCP': 'jsonsocket+tcp',
  'JSONSocket over UDP': 'jsonsocket+udp',
};

/** The same server, as `l7mp pipe` has it. */
export function addressOf(name: string, place: number | string): string {
  const protocol = protocolOf(name);
  const address = `${SCHEMES[protocol]!}:${typeof place === 'number' ? `127.0.0.1:${place}` : place}`;
  if (protocol === 'TLS') return `${address},verify=0`;
  return protocol === 'Pipe' ? `${address},reply_path=${place}.reply` : address;
}
