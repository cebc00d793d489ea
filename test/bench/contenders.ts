/** Who is measured: how each is started to relay one kind of traffic from port 5000 to the server's 6000, or to serve xDS. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envoyConfig } from './envoy.ts';
import { SERVER } from './lab.ts';
import { COLLECTOR_PORT, isServing, type Kind, PROXY_PORT, SERVER_PORT, type Serving, type Traffic } from './route.ts';

export interface Contender {
  readonly name: string;
  /** The command, its configuration written to `directory`; undefined where it can't relay this kind. */
  readonly command: (kind: Kind, directory: string) => readonly string[] | undefined;
}

/** Of the project: this is compiled to .cache/bench/test/bench. */
export const ROOT = join(import.meta.dirname, '../../../..');
/** Runs parts of ours as bin/l7mp has the whole run. */
export const NODE: readonly string[] = [
  ...['env', 'MALLOC_TRIM_THRESHOLD_=67108864', 'MALLOC_TOP_PAD_=8388608', 'MALLOC_MMAP_THRESHOLD_=1073741824'],
  ...[process.execPath, '--max-semi-space-size=8'],
];
const TO_SERVER = `${SERVER}:${SERVER_PORT}`;

/** What everything is compared with: the relay that one writes with Node.js alone. */
const bare: Contender = {
  name: 'bare',
  command: (kind) => {
    if (isServing(kind) || isOffload(kind)) return undefined;
    const file = join(import.meta.dirname, `baselines/${kind}.js`);
    return [process.execPath, file, String(PROXY_PORT), SERVER, String(SERVER_PORT)];
  },
};

const PROTOCOLS = {
  udp: 'UDP',
  tcp: 'TCP',
  http: 'HTTP',
  http2: 'HTTP',
  websocket: 'WebSocket',
} as const;

const l7mp: Contender = {
  name: 'l7mp',
  command: (kind, directory) => {
    // The discovery service alone, as the library that it is compared with is a discovery service alone.
    if (kind === 'xds') return [...NODE, join(import.meta.dirname, '../support/view-server.js')];
    // What it follows is not there yet.
    if (kind === 'kubernetes') return [join(ROOT, 'bin/l7mp'), 'controlplane', '--kubernetes'];
    if (kind === 'dashboard') return [join(ROOT, 'bin/l7mp'), 'controlplane', '--http'];
    const protocol = PROTOCOLS[trafficOf(kind)];
    const rules = [{ action: { route: { destination: 'server' } } }];
    const server = { protocol, port: SERVER_PORT, ...(kind === 'http2' && { version: '2' }) };
    const config = {
      admin: { log_level: 'warn', ...(isOffload(kind) && { offload: 'init' }) },
      listeners: [
        {
          name: 'bench',
          spec: { protocol, port: PROXY_PORT },
          // Of TCP the hot ones: iperf3's connection for control stays out.
          ...(kind === 'offload-udp' && { options: { offload: 'always' } }),
          rules,
        },
      ],
      clusters: [{ name: 'server', spec: server, endpoints: [{ spec: { address: SERVER } }] }],
    };
    // YAML takes JSON.
    const command = [join(ROOT, 'bin/l7mp'), 'proxy', '-c', write(directory, 'l7mp.yaml', JSON.stringify(config))];
    // All else is as it is by itself.
    const collector = `OTEL_EXPORTER_OTLP_ENDPOINT=http://${SERVER}:${COLLECTOR_PORT}`;
    return isTelemetry(kind) ? ['env', collector, ...command] : command;
  },
};

/** The same in user space. */
const l7mpInUserSpace: Contender = {
  name: 'l7mp in user space',
  command: (kind, directory) => (isOffload(kind) ? l7mp.command(trafficOf(kind), directory) : undefined),
};

/** The same, and nothing is exported. */
const l7mpWithoutTelemetry: Contender = {
  name: 'l7mp without telemetry',
  command: (kind, directory) => (isTelemetry(kind) ? l7mp.command(trafficOf(kind), directory) : undefined),
};

/** No proxy at all: the host between forwards IP packets. What is measured sends to the server itself. */
const forwarding: Contender = {
  name: 'forwarding',
  command: (kind) => (isOffload(kind) ? [] : undefined),
};

/** The kernel's own rewriting: with conntrack, and without a proxy's decisions. Its command makes the rule, and ends. */
const dnat: Contender = {
  name: 'dnat',
  command: (kind, directory) => {
    if (!isOffload(kind)) return undefined;
    const rule = `${trafficOf(kind)} dport ${PROXY_PORT} dnat to ${TO_SERVER}`;
    const text = `table ip bench { chain in { type nat hook prerouting priority dstnat; ${rule}; }; }\n`;
    return ['nft', '-f', write(directory, 'dnat.nft', text)];
  },
};

/** What most control planes are made with. */
const goControlPlane: Contender = {
  name: 'go-control-plane',
  command: (kind) => (kind === 'xds' ? [join(ROOT, '.cache/gobin/xds-server')] : undefined),
};

const envoy: Contender = {
  name: 'envoy',
  command: (kind, directory) => {
    if (isServing(kind)) return undefined;
    const file = write(
      directory,
      'envoy.json',
      JSON.stringify(envoyConfig(trafficOf(kind), PROXY_PORT, SERVER, SERVER_PORT)),
    );
    // One worker, as the others have one; without the memory shared by hot restarts.
    const quiet = ['--log-level', 'error', '--disable-hot-restart'];
    return [join(ROOT, '.cache/venv/bin/envoy'), '-c', file, '--concurrency', '1', ...quiet];
  },
};

const nginx: Contender = {
  name: 'nginx',
  command: (kind, directory) => {
    if (isServing(kind)) return undefined;
    const stream = `stream {
  server { listen ${PROXY_PORT}${trafficOf(kind) === 'udp' ? ' udp' : ' backlog=4096'}; proxy_pass ${TO_SERVER}; }
}`;
    const upgrade = kind === 'websocket' ? '$http_upgrade' : '""';
    const http = `http {
  access_log off;
  keepalive_requests 1000000000;
  upstream server { server ${TO_SERVER}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen ${PROXY_PORT} backlog=4096${kind === 'http2' ? ' http2' : ''};
    location / {
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Upgrade ${upgrade};
      proxy_set_header Connection ${kind === 'websocket' ? 'upgrade' : '""'};
    }
  }
}`;
    const module = '/usr/lib/nginx/modules/ngx_stream_module.so';
    const body = ['udp', 'tcp'].includes(trafficOf(kind)) ? `load_module ${module};\n${stream}` : http;
    return nginxCommand(directory, body);
  },
};

/** nginx in one process and in the foreground. */
export function nginxCommand(directory: string, body: string): readonly string[] {
  const [modules = '', rest = body] = body.startsWith('load_module') ? body.split(/(?<=;)\n/, 2) : ['', body];
  const head = 'daemon off; master_process off; error_log stderr error;';
  const text = `${modules}\n${head}\npid ${directory}/nginx.pid;\nevents { worker_connections 15000; }\n${rest}\n`;
  return ['nginx', '-p', directory, '-c', write(directory, 'nginx.conf', text)];
}

const haproxy: Contender = {
  name: 'haproxy',
  command: (kind, directory) => {
    if (isServing(kind) || trafficOf(kind) === 'udp') return undefined;
    const protocol = kind === 'http2' ? ' proto h2' : '';
    const text = `global
  maxconn 9000
  nbthread 1
defaults
  mode ${trafficOf(kind) === 'tcp' ? 'tcp' : 'http'}
${kind === 'offload-tcp' ? '  option splice-auto\n' : ''}  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
listen bench
  bind :${PROXY_PORT}${protocol} backlog 4096
  server server ${TO_SERVER}${protocol}
`;
    return ['haproxy', '-db', '-q', '-f', write(directory, 'haproxy.cfg', text)];
  },
};

const socat: Contender = {
  name: 'socat',
  command: (kind) => {
    // A process for each of many flows.
    if (isServing(kind) || kind === 'offload-udp') return undefined;
    const traffic = trafficOf(kind);
    if (traffic !== 'udp' && traffic !== 'tcp') return undefined;
    const transport = traffic.toUpperCase();
    const backlog = traffic === 'tcp' ? ',backlog=4096' : '';
    return ['socat', `${transport}4-LISTEN:${PROXY_PORT},fork,reuseaddr${backlog}`, `${transport}4:${TO_SERVER}`];
  },
};

/** The baselines, then ours. */
export const CONTENDERS: readonly Contender[] = [
  bare,
  goControlPlane,
  forwarding,
  l7mpWithoutTelemetry,
  l7mp,
  l7mpInUserSpace,
  dnat,
];
export const PEERS: readonly Contender[] = [envoy, haproxy, nginx, socat];

const TRAFFIC = { 'telemetry-udp': 'udp', 'telemetry-tcp': 'tcp', 'telemetry-http': 'http' } as const;

function isOffload(kind: Kind): kind is 'offload-udp' | 'offload-tcp' {
  return kind === 'offload-udp' || kind === 'offload-tcp';
}

export type TelemetryKind = Extract<Kind, `telemetry-${string}`>;

function isTelemetry(kind: Kind): kind is TelemetryKind {
  return kind.startsWith('telemetry-');
}

/** What passes on the wire. */
function trafficOf(kind: Exclude<Kind, Serving>): Traffic {
  if (isTelemetry(kind)) return TRAFFIC[kind];
  if (!isOffload(kind)) return kind;
  return kind === 'offload-udp' ? 'udp' : 'tcp';
}

function write(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
