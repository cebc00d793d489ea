/** `npm run soak`: sessions opened and closed for minutes; the proxy's memory must stay flat. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ROOT } from './contenders.ts';
import { runSession, type SessionKind, startEcho } from './load/short-sessions.ts';
import { slope } from './report.ts';
import { residentKb } from './resident.ts';

const HELP = `Usage: npm run soak -- [options]

Opens and closes sessions (TCP, UDP, HTTP, WebSocket in turn) and watches the proxy's memory; prints one JSON object.

  --minutes N    how long (default: 10)
  --rate N       sessions a second (default: 200)

Exits with 1 where memory or descriptors grow, or a session fails.
`;

const KINDS = { tcp: 'TCP', udp: 'UDP', http: 'HTTP', websocket: 'WebSocket' } as const;
/**
 * Memory is read as the lowest of a window, which is what a full garbage collection leaves: one comes about once a minute.
 * The first windows, in which the heap finds its size, don't count.
 */
const WINDOWS = 8;
const FIRST_WINDOWS = 2;
/** Less than anything that would be kept for a session. */
const MAX_BYTES_A_SESSION = 64;
/** UDP has no end of its own. */
const UDP_IDLE_MS = 1000;
const SAMPLE_MS = 500;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
    help: { type: 'boolean', default: false },
  },
});
const [minutes, rate] = [Number(options.minutes), Number(options.rate)];
if (options.help || !(minutes > 0) || !(rate > 0)) {
  process.stderr.write(HELP);
  process.exit(options.help ? 0 : 2);
}

const kinds = Object.keys(KINDS) as SessionKind[];
const directory = mkdtempSync(join(tmpdir(), 'l7mp-soak-'));
const ports: Partial<Record<SessionKind, number>> = {};
const servers = await Promise.all(kinds.map((kind) => startEcho[kind]()));
const listeners: object[] = [];
const clusters: object[] = [];
for (const [index, kind] of kinds.entries()) {
  const port = await freePort();
  ports[kind] = port;
  listeners.push({
    name: kind,
    spec: { protocol: KINDS[kind], address: '127.0.0.1', port },
    rules: [{ action: { route: { destination: kind } } }],
    ...(kind === 'udp' && { options: { idle_timeout: UDP_IDLE_MS } }),
  });
  clusters.push({
    name: kind,
    spec: { protocol: KINDS[kind], port: servers[index]?.port },
    endpoints: [{ spec: { address: '127.0.0.1' } }],
  });
}
const file = join(directory, 'l7mp.yaml');
const admin = { log_level: 'warn', api: { port: await freePort() } };
writeFileSync(file, JSON.stringify({ admin, listeners, clusters })); // YAML takes JSON

const proxy = spawn(join(ROOT, 'bin/l7mp'), ['proxy', '-c', file], { stdio: 'inherit' });
const proxyPid = proxy.pid ?? 0;
process.on('exit', () => {
  proxy.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
proxy.on('exit', (code, signal) => {
  console.error(`the proxy ended by ${signal ?? `code ${String(code)}`}`);
  process.exit(2);
});

for (const kind of kinds.filter((name) => name !== 'udp')) await waitForPort(ports[kind] ?? 0);
await Promise.all(kinds.map((kind) => runSession(kind, ports[kind] ?? 0, 0)));
await sleep(UDP_IDLE_MS * 2);
const descriptorsBefore = countDescriptors();

const durationMs = minutes * 60_000;
const failures = new Map<string, number>();
const windows: number[] = [];
let begun = 0;
let under = 0;
let lowest = Infinity;
const start = performance.now();
const sampler = setInterval(() => {
  lowest = Math.min(lowest, residentKb(proxyPid));
}, SAMPLE_MS);
for (let elapsed = 0; elapsed < durationMs; elapsed = performance.now() - start) {
  for (; begun < (elapsed * rate) / 1000; begun++) begin(begun);
  if (elapsed >= ((windows.length + 1) * durationMs) / WINDOWS) closeWindow();
  await sleep(5);
}
closeWindow();
clearInterval(sampler);
while (under > 0) await sleep(10);
// Kept connections to HTTP servers are no leak: they are let go when the servers are.
for (const server of servers) server.close();
await sleep(UDP_IDLE_MS * 2);

const sessionsAWindow = begun / windows.length;
const growth = (slope(windows.slice(FIRST_WINDOWS)) * 1024) / sessionsAWindow;
const descriptors = countDescriptors() - descriptorsBefore;
const pass = growth <= MAX_BYTES_A_SESSION && descriptors <= 0 && failures.size === 0;
console.log(
  JSON.stringify({
    name: 'soak-growth',
    value: Math.round(growth * 10) / 10,
    unit: 'bytes/session',
    bar: `<= ${MAX_BYTES_A_SESSION}`,
    pass,
    sessions: begun,
    minutes,
    residentMb: windows.map((kilobytes) => Math.round(kilobytes / 102.4) / 10),
    descriptors,
    failures: Object.fromEntries(failures),
  }),
);
proxy.removeAllListeners('exit');
process.exit(pass ? 0 : 1);

function begin(number: number): void {
  const kind = kinds[number % kinds.length] ?? 'tcp';
  under++;
  runSession(kind, ports[kind] ?? 0, Math.random() * 500)
    .catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      failures.set(message, (failures.get(message) ?? 0) + 1);
    })
    .finally(() => under--);
}

function closeWindow(): void {
  if (lowest === Infinity) return;
  windows.push(lowest);
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
  console.error(
    `${Math.round((performance.now() - start) / 1000)} s: ${begun} sessions, ${failed} failed, ${Math.round(lowest / 1024)} MB`,
  );
  lowest = Infinity;
}

function countDescriptors(): number {
  return readdirSync(`/proc/${proxyPid}/fd`).length;
}

/** A port that nothing listens on just now. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function waitForPort(port: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (connected) return;
  }
  throw new Error(`the proxy does not listen on port ${port}`);
}
