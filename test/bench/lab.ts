/** Where measurements happen: three network namespaces in a row, and processes pinned inside them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * ```
 * client 10.71.1.1 --veth-- 10.71.1.2 proxy 10.71.2.1 --veth-- 10.71.2.2 server
 * core 1                              core 0                          core 1
 * ```
 */
export const CLIENT = '10.71.1.1';
export const PROXY = '10.71.1.2';
/** Towards the server. */
export const PROXY_TO_SERVER = '10.71.2.1';
export const SERVER = '10.71.2.2';

export type Place = 'client' | 'proxy' | 'server';

const PREFIX = 'l7mp-bench';
/** Several of one process may be there at once. */
let labs = 0;
export const CORES: Readonly<Record<Place, string>> = { client: '1', proxy: '0', server: '1' };

/** A process of the lab. */
export interface Running {
  readonly pid: number;
  /** Resolves with its standard output. Rejects, with what it wrote to standard error, where it failed or was too slow. */
  readonly output: Promise<string>;
  /** Kills it, with what it has started; resolves when it is gone. */
  stop(): Promise<void>;
}

export class Lab {
  /** For configuration files; removed with the lab. */
  readonly directory: string;
  private readonly children = new Set<ChildProcess>();
  private readonly latency: number | undefined;
  private readonly number = labs++;
  private closed = false;

  constructor() {
    if (process.getuid?.() !== 0) throw new Error('the benchmarks need root: they make network namespaces');
    removeAbandoned();
    this.directory = mkdtempSync(join(tmpdir(), `${PREFIX}-${process.pid}-`));
    process.on('exit', () => this.close());
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
    this.latency = holdLatency();
    for (const place of ['client', 'proxy', 'server'] as const) this.addNamespace(place);
    this.connect('client', CLIENT, 'proxy', PROXY);
    this.connect('server', SERVER, 'proxy', PROXY_TO_SERVER);
    // Trains of datagrams (load/udp.ts) are cut before they are on the wire, as by a network card.
    this.exec('client', 'ethtool', '-K', 'client-eth', 'tx-udp-segmentation', 'off');
  }

  namespace(place: Place): string {
    return `${PREFIX}-${process.pid}-${this.number}-${place}`;
  }

  /** A directory of its own for one server's files. */
  makeDirectory(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Starts a command, pinned to the core of its place; it is killed with the lab, or after `timeoutMs`. */
  start(place: Place, command: readonly string[], timeoutMs?: number): Running {
    const [file = '', ...args] = [...pinned(place), 'ip', 'netns', 'exec', this.namespace(place), ...command];
    // A group of its own, so that what it forks ends with it.
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.children.add(child);
    let out = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => kill(child), timeoutMs);
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
    });
    const output = new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        this.children.delete(child);
        if (code === 0) resolve(out);
        else reject(new Error(`${command.join(' ')}: ended by ${signal ?? `code ${String(code)}`}\n${errors || out}`));
      });
    });
    output.catch(() => undefined); // servers are stopped; who waits for output hears of it
    return {
      pid: child.pid ?? 0,
      output,
      stop: () => {
        kill(child);
        return ended;
      },
    };
  }

  /** Runs a command to its end and gives its standard output. */
  run(place: Place, command: readonly string[], timeoutMs = 60_000): Promise<string> {
    return this.start(place, command, timeoutMs).output;
  }

  /** Starts a server and waits until it has this port. */
  async serve(place: Place, command: readonly string[], transport: 'tcp' | 'udp', port: number): Promise<Running> {
    const running = this.start(place, command);
    let failure: Error | undefined;
    running.output.catch((error: unknown) => (failure = error as Error));
    const deadline = Date.now() + 15_000;
    while (!listens(running.pid, transport, port)) {
      if (failure) throw failure;
      if (Date.now() > deadline) {
        await running.stop();
        throw new Error(`${command.join(' ')}: has no ${transport} port ${port} after 15 s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return running;
  }

  /** Everything is undone; synchronous, for any exit. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const child of this.children) kill(child);
    for (const place of ['client', 'proxy', 'server'] as const) run('ip', 'netns', 'del', this.namespace(place));
    rmSync(this.directory, { recursive: true, force: true });
    if (this.latency !== undefined) closeSync(this.latency);
  }

  private addNamespace(place: Place): void {
    must('ip', 'netns', 'add', this.namespace(place));
    this.ip(place, 'link', 'set', 'lo', 'up');
    this.set(place, 'net.ipv4.tcp_congestion_control', 'reno');
    this.set(place, 'net.ipv4.tcp_max_tw_buckets', '1024');
    this.set(place, 'net.ipv4.ip_local_port_range', '10000 65000');
    if (place === 'proxy') this.set(place, 'net.ipv4.ip_forward', '1');
  }

  /** A veth pair; `left` reaches everything through it. */
  private connect(left: Place, leftAddress: string, right: Place, rightAddress: string): void {
    const [leftName, rightName] = [`${left}-eth`, `${right}-${left}`];
    const ends = [this.namespace(left), 'type', 'veth', 'peer', 'name', rightName, 'netns', this.namespace(right)];
    must('ip', 'link', 'add', 'name', leftName, 'netns', ...ends);
    for (const [place, name, address] of [
      [left, leftName, leftAddress],
      [right, rightName, rightAddress],
    ] as const) {
      this.ip(place, 'address', 'add', `${address}/24`, 'dev', name);
      this.ip(place, 'link', 'set', name, 'up');
    }
    this.ip(left, 'route', 'add', 'default', 'via', rightAddress);
  }

  private ip(place: Place, ...args: string[]): void {
    must('ip', '-n', this.namespace(place), ...args);
  }

  private set(place: Place, name: string, value: string): void {
    this.exec(place, 'sysctl', '-qw', `${name}=${value}`);
  }

  private exec(place: Place, ...command: string[]): void {
    must('ip', 'netns', 'exec', this.namespace(place), ...command);
  }
}

/** Killed with the bench even where that is killed itself. */
function pinned(place: Place): string[] {
  return ['setpriv', '--pdeathsig', 'KILL', 'taskset', '-c', CORES[place]];
}

/** Idle cores poll instead of halting: on a virtual machine waking one takes longer than relaying a packet. */
function holdLatency(): number | undefined {
  try {
    const fd = openSync('/dev/cpu_dma_latency', 'w');
    writeSync(fd, Buffer.alloc(4));
    return fd;
  } catch (error) {
    console.error(`warning: idle cores will halt, figures suffer: ${String(error)}`);
    return undefined;
  }
}

/** What benches have left that were killed. */
function removeAbandoned(): void {
  const abandoned = (name: string): boolean => {
    const [, pid] = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name) ?? [];
    return pid !== undefined && !isAlive(pid);
  };
  const namespaces = run('ip', 'netns', 'list').split(/\s+/);
  for (const name of namespaces.filter(abandoned)) run('ip', 'netns', 'del', name);
  for (const name of readdirSync(tmpdir()).filter(abandoned)) rmSync(join(tmpdir(), name), { recursive: true });
}

/** A process that has ended but that nobody has waited for has no command line. */
function isAlive(pid: string): boolean {
  return readText(`/proc/${pid}/cmdline`) !== '';
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function run(file: string, ...args: string[]): string {
  return spawnSync(file, args, { encoding: 'utf8' }).stdout;
}

function must(file: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

const LISTENING = { tcp: '0A', udp: '07' } as const;

/** Whether a socket with this local port is there in the process's namespace. */
function listens(pid: number, transport: 'tcp' | 'udp', port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of [transport, `${transport}6`]) {
    for (const line of readText(join('/proc', String(pid), 'net', table))
      .split('\n')
      .slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (local?.endsWith(`:${wanted}`) && state === LISTENING[transport]) return true;
    }
  }
  return false;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
