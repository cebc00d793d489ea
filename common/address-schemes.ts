/** The schemes of addresses in one line, as a table: the parser reads it, and the help pages show it. */
/** Plain configuration, as it would stand in the YAML file. */
export type Plain = Record<string, unknown>;

/** What an address can be. `either` is decided by the place where it stands. */
export type Role = 'listen' | 'connect' | 'either';

/** What stands behind the scheme. */
type Form = 'network' | 'path' | 'fifo' | 'command' | 'shell' | 'interface' | 'none';

/** One row of the table. */
export interface SchemeRow {
  readonly names: readonly string[];
  readonly protocol: string;
  readonly role: Role;
  readonly form: Form;
  /** Fields of the spec that the scheme stands for. */
  readonly spec?: Plain;
  readonly defaultPort?: number;
  /** The default host of a listener. */
  readonly host?: string;
  readonly about: string;
}

/** Every scheme. Names are lower case; case doesn't count when they are read. */
export const SCHEMES: readonly SchemeRow[] = [
  row('udp udp4', 'UDP', 'either', 'network', 'UDP datagrams; a session for each client'),
  row('udp6', 'UDP', 'either', 'network', 'the same; it listens on IPv6 and IPv4', { host: '::' }),
  row(
    'udp-listen udp-l udp4-listen udp4-l udp-recvfrom udp4-recvfrom udp-recv udp4-recv',
    'UDP',
    'listen',
    'network',
    'receive on a port',
  ),
  row('udp6-listen udp6-l udp6-recvfrom udp6-recv', 'UDP', 'listen', 'network', 'receive on a port, IPv6 and IPv4', {
    host: '::',
  }),
  row('udp-connect udp4-connect udp6-connect udp-sendto udp4-sendto udp6-sendto', 'UDP', 'connect', 'network', 'send'),
  row('tcp tcp4', 'TCP', 'either', 'network', 'TCP'),
  row('tcp6', 'TCP', 'either', 'network', 'the same; it listens on IPv6 and IPv4', { host: '::' }),
  row('tcp-listen tcp-l tcp4-listen tcp4-l', 'TCP', 'listen', 'network', 'accept connections'),
  row('tcp6-listen tcp6-l', 'TCP', 'listen', 'network', 'accept connections, IPv6 and IPv4', { host: '::' }),
  row('tcp-connect tcp4-connect tcp6-connect', 'TCP', 'connect', 'network', 'connect'),
  row('tls ssl openssl', 'TLS', 'either', 'network', 'TLS over TCP', { spec: { tls: {} } }),
  row('tls-listen ssl-l openssl-listen', 'TLS', 'listen', 'network', 'accept TLS; wants cert and key', {
    spec: { tls: {} },
  }),
  row('tls-connect openssl-connect', 'TLS', 'connect', 'network', 'connect with TLS', { spec: { tls: {} } }),
  row('http', 'HTTP', 'either', 'network', 'HTTP/1.1 and HTTP/2; a session is a request', { defaultPort: 80 }),
  row('http-listen http-l', 'HTTP', 'listen', 'network', 'take requests', { defaultPort: 80 }),
  row('http-connect', 'HTTP', 'connect', 'network', 'send requests', { defaultPort: 80 }),
  row('https', 'HTTP', 'either', 'network', 'HTTP over TLS', { defaultPort: 443, spec: { tls: {} } }),
  row('https-listen https-l', 'HTTP', 'listen', 'network', 'take requests over TLS; wants cert and key', {
    defaultPort: 443,
    spec: { tls: {} },
  }),
  row('ws websocket', 'WebSocket', 'either', 'network', 'WebSocket', { defaultPort: 80 }),
  row('ws-listen ws-l websocket-listen', 'WebSocket', 'listen', 'network', 'accept WebSockets', { defaultPort: 80 }),
  row('ws-connect', 'WebSocket', 'connect', 'network', 'connect a WebSocket', { defaultPort: 80 }),
  row('wss', 'WebSocket', 'either', 'network', 'WebSocket over TLS', { defaultPort: 443, spec: { tls: {} } }),
  row('wss-listen wss-l', 'WebSocket', 'listen', 'network', 'accept WebSockets over TLS; wants cert and key', {
    defaultPort: 443,
    spec: { tls: {} },
  }),
  row('sctp', 'SCTP', 'either', 'network', 'SCTP, one-to-one'),
  row('sctp-listen sctp4-listen', 'SCTP', 'listen', 'network', 'accept associations'),
  row('sctp6-listen', 'SCTP', 'listen', 'network', 'accept associations, IPv6 and IPv4', { host: '::' }),
  row('sctp-connect sctp4-connect sctp6-connect', 'SCTP', 'connect', 'network', 'connect'),
  row('unix local', 'UnixDomainSocket', 'either', 'path', 'UNIX stream socket; @NAME is abstract'),
  row('unix-listen unix-l', 'UnixDomainSocket', 'listen', 'path', 'accept on a path'),
  row('unix-connect unix-client', 'UnixDomainSocket', 'connect', 'path', 'connect to a path'),
  row('unix-dgram unix-datagram', 'UnixDatagram', 'either', 'path', 'UNIX datagram socket'),
  row('unix-recvfrom unix-recv unix-dgram-listen', 'UnixDatagram', 'listen', 'path', 'receive on a path'),
  row('unix-sendto unix-dgram-connect', 'UnixDatagram', 'connect', 'path', 'send to a path'),
  row('unix-seqpacket seqpacket', 'UnixSeqpacket', 'either', 'path', 'UNIX sequenced-packet socket'),
  row(
    'unix-seqpacket-listen unix-seqpacket-l seqpacket-listen seqpacket-l',
    'UnixSeqpacket',
    'listen',
    'path',
    'accept on a path',
  ),
  row('unix-seqpacket-connect seqpacket-connect', 'UnixSeqpacket', 'connect', 'path', 'connect to a path'),
  row('pipe fifo', 'Pipe', 'either', 'fifo', 'named pipe; reply_path=PATH for the other way'),
  row('packet interface if', 'AF_PACKET', 'either', 'interface', 'frames of a network interface'),
  row('- stdio', 'Stdio', 'either', 'none', 'standard input and output'),
  row('exec', 'StdioFork', 'connect', 'command', 'a program with arguments, for each session'),
  row('system shell', 'StdioFork', 'connect', 'shell', 'a shell command, for each session'),
  row('echo', 'Echo', 'connect', 'none', 'send back what comes'),
  row('discard null', 'Discard', 'connect', 'none', 'drop what comes'),
  row('logger', 'Logger', 'connect', 'none', 'write what passes; log_file=, log_prefix=, format='),
  row('json-encap', 'JSONEncap', 'connect', 'none', 'wrap datagrams in JSON with their metadata'),
  row('json-decap', 'JSONDecap', 'connect', 'none', 'unwrap them'),
  row('metric', 'Metric', 'connect', 'none', 'count what passes; name='),
];

function row(
  names: string,
  protocol: string,
  role: Role,
  form: Form,
  about: string,
  more: Pick<SchemeRow, 'spec' | 'defaultPort' | 'host'> = {},
): SchemeRow {
  return { names: names.split(' '), protocol, role, form, about, ...more };
}
