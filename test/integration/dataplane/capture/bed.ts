/** A pod and a server, as network namespaces with a link between them; programs in the pod, and a proxy in a cgroup of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { ProxyProcess, runCommand } from '../../../support/command.ts';
import { Peer, PYTHON } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

export const FOUR = { name: 'IPv4', pod: '10.9.0.2', server: '10.9.0.1', excluded: '10.9.0.3' };
export const SIX = { name: 'IPv6', pod: 'fd09::2', server: 'fd09::1', excluded: 'fd09::8' };
export const FAMILIES = [FOUR, SIX] as const;

export type Place = 'pod' | 'server';
const ADDRESSES = {
  pod: [FOUR.pod, SIX.pod],
  // Of several, IPv4 sends from the first, IPv6 from the last.
  server: [FOUR.server, FOUR.excluded, SIX.excluded, SIX.server],
} as const;
const namespace = (place: Place): string => `l7mp-${process.pid}-capture-${place}`;
const enter = (place: Place): string => `--net=/run/netns/${namespace(place)}`;

/** Somebody's session, as the REST API shows it. */
export interface Captured {
  readonly name: string;
  readonly source: { readonly origin: string };
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly offload: { readonly reason?: string };
}

/**
 * Answers each HTTP request with its client's address, each DNS question with 192.0.2.7, and, on ports 5000 and 5001, each
 * datagram with `LENGTH PORT CONTENT`.
 */
const SERVER = `
import http.server, selectors, socket, socketserver, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = ('%s you are %s\\n' % (sys.argv[1], self.client_address[0])).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *rest): pass
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6; allow_reuse_address = True; daemon_threads = True
for port in (80, 81):
    threading.Thread(target=Server(('::', port), Handler).serve_forever, daemon=True).start()
selector = selectors.DefaultSelector()
for host in sys.argv[2:]:
    for port in (53, 5000, 5001):
        s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM); s.bind((host, port))
        selector.register(s, selectors.EVENT_READ, port)
print('ready', flush=True)
while True:
    for key, _ in selector.select():
        data, address = key.fileobj.recvfrom(65535)
        if key.data == 53:
            answer = data[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + data[12:data.index(b'\\0', 12) + 5]
            answer += b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc0\\0\\2\\7'
        else:
            answer = b'%d %d ' % (len(data), key.data) + data
        key.fileobj.sendto(answer, address)
`;

export class Bed {
  readonly cgroup = join(cgroupRoot(), `l7mp-${process.pid}-capture`);
  private proxyProcess: ProxyProcess | undefined;
  private readonly peers: Peer[] = [];

  constructor() {
    for (const place of ['pod', 'server'] as const) ip(`netns add ${namespace(place)}`);
    ip(`link add eth0 netns ${namespace('pod')} type veth peer name eth0 netns ${namespace('server')}`);
    for (const place of ['pod', 'server'] as const) {
      for (const address of ADDRESSES[place]) {
        const [bits, nodad] = address.includes(':') ? ['64', ' nodad'] : ['24', ''];
        ip(`-n ${namespace(place)} address add ${address}/${bits} dev eth0${nodad}`);
      }
      for (const device of ['lo', 'eth0']) ip(`-n ${namespace(place)} link set ${device} up`);
    }
    mkdirSync(this.cgroup);
  }

  async close(): Promise<void> {
    await this.stopProxy();
    await Promise.all(this.peers.map((peer) => peer.stop()));
    for (const place of ['pod', 'server'] as const) spawnSync('ip', ['netns', 'del', namespace(place)]);
    await until('the cgroup to be empty', () => {
      try {
        rmdirSync(this.cgroup);
        return true;
      } catch {
        return false;
      }
    });
  }

  /** SERVER in a place; what it answers with begins with the place. */
  async serve(place: Place): Promise<void> {
    await this.start(place, PYTHON, '-c', SERVER, place, ...ADDRESSES[place]).output(/ready/u);
  }

  /** Another link between both, 10.10.0.2 to 10.10.0.1. */
  async addLink(): Promise<void> {
    ip(`link add eth1 netns ${namespace('pod')} type veth peer name eth1 netns ${namespace('server')}`);
    for (const [place, host] of [
      ['pod', 2],
      ['server', 1],
    ] as const) {
      ip(`-n ${namespace(place)} address add 10.10.0.${host}/24 dev eth1`);
      ip(`-n ${namespace(place)} link set eth1 up`);
    }
    await until('the new link', () => this.curl('pod', '10.10.0.1').catch(() => undefined));
  }

  start(place: Place, ...command: string[]): Peer {
    const peer = new Peer('nsenter', [enter(place), ...command]);
    this.peers.push(peer);
    return peer;
  }

  /** What a program in a place prints. */
  async run(place: Place, ...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await runCommand('nsenter', [enter(place), ...command]);
    if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}: ${stderr}`);
    return stdout;
  }

  /** A script of ours in the pod, and in the cgroup of proxies. */
  startOwn(script: string): Peer {
    const command = `echo $$ > ${this.cgroup}/cgroup.procs; exec nsenter ${enter('pod')} node --import tsx ${script}`;
    const peer = new Peer('bash', ['-c', command]);
    this.peers.push(peer);
    return peer;
  }

  curl(place: Place, host: string, port = 80): Promise<string> {
    return this.run(place, 'curl', '-sS', '-m', '5', `http://${host.includes(':') ? `[${host}]` : host}:${port}/`);
  }

  /** Sends from a socket that isn't connected to each destination in turn; what came back, and from where. */
  async datagrams(place: Place, size: number, ...to: (readonly [host: string, port: number])[]): Promise<string[]> {
    const code = `
import json, socket, sys
to = json.loads(sys.argv[1]); size = int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in to[0][0] else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for host, port in to: s.sendto(b'x' * size, (host, port))
for _ in to:
    data, address = s.recvfrom(65535)
    print(address[0], address[1], data.split(b' ')[0].decode(), data.split(b' ')[1].decode(), len(data))`;
    const text = await this.run(place, PYTHON, '-c', code, JSON.stringify(to), String(size));
    return text.trim().split('\n').sort();
  }

  async startProxy(
    capture: object | undefined,
    runner = '',
    admin: object = {},
    more: readonly object[] = [],
  ): Promise<ProxyProcess> {
    const enterCgroup = `echo $$ > ${this.cgroup}/cgroup.procs;`;
    const config = configuration({ ...(capture && { capture }), ...admin }, more);
    this.proxyProcess = await ProxyProcess.start(config, [], enterCgroup, `nsenter ${enter('pod')} ${runner}`);
    return this.proxyProcess;
  }

  async stopProxy(): Promise<void> {
    await this.proxyProcess?.stop();
    this.proxyProcess = undefined;
  }

  get proxy(): ProxyProcess {
    if (!this.proxyProcess) throw new Error('the proxy is not started');
    return this.proxyProcess;
  }

  /** All sessions so far. */
  async sessions(): Promise<Captured[]> {
    return JSON.parse(await this.run('pod', 'curl', '-sSf', `${this.proxy.api}/api/v1/sessions`)) as Captured[];
  }
}

/** Listeners for all that is captured, after others; what goes to port 81 of anybody is led to port 80. */
function configuration(admin: object, more: readonly object[]): object {
  const listeners = (['TCP', 'UDP'] as const).flatMap((protocol) =>
    (['outbound', 'inbound'] as const).map((captured) => ({
      name: `${protocol}-${captured}`,
      spec: { protocol, address: '::', port: 0, captured },
      options: { track: 60, offload: 'always' },
      rules: [
        {
          match: { op: 'test', path: '/Capture/dst_port', value: 81 },
          action: { rewrite: [{ path: '/Capture/dst_port', value: 80 }], route: { destination: protocol } },
        },
        { action: { route: { destination: protocol } } },
      ],
    })),
  );
  const clusters = ['TCP', 'UDP'].map((name) => ({ name, spec: { protocol: name }, original_destination: true }));
  return { admin, listeners: [...more, ...listeners], clusters };
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}

/** Where a tree of cgroups of version 2 is mounted. */
function cgroupRoot(): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((each) => each.includes(' - cgroup2 '));
  if (line === undefined) throw new Error('expected a cgroup2 file system: mount -t cgroup2 none /sys/fs/cgroup');
  return line.split(' ')[4] ?? '';
}
