/**
 * The network of a testbed's node and pods, in network namespaces that are gone with their last process:
 *
 *     this machine ── veth ── node (kube-proxy, kubelet, cluster DNS) ──┬─ veth ── pod
 *                                                                       └─ veth ── pod
 *
 * Each testbed has networks of its own, so that several run beside each other. Everything in them can be reached from this machine.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { until } from '../until.ts';
import { Program } from './program.ts';

/** How many testbeds may have networks at once: those of 10.64.0.0/10, 4,096 addresses for each. */
const NETWORKS = 1024;

/** An address or network of IPv4, and one of IPv6. */
type Pair = readonly [string, string];

export class Network {
  /** What runs a program in the node's network. */
  readonly runner: readonly string[];
  /** The node's addresses, and those of this machine on the way to it. */
  readonly node: Pair;
  readonly machine: Pair;
  readonly pods: Pair;
  readonly services: Pair;
  readonly loadBalancers: Pair;
  /** The device of this machine that leads there. */
  readonly device: string;
  private readonly holder: Program;

  private constructor(holder: Program, number: number) {
    this.holder = holder;
    this.device = deviceOf(holder.pid);
    this.runner = ['nsenter', '--target', String(holder.pid), '--net', '--'];
    const { v4, v6 } = bases(number);
    this.pods = [`${v4(0)}.0/21`, `${v6(1)}::/64`];
    this.services = [`${v4(8)}.0/22`, `${v6(2)}::/112`];
    this.loadBalancers = [`${v4(12)}.0/23`, `${v6(3)}::/112`];
    this.node = [`${v4(14)}.1`, `${v6(4)}::1`];
    this.machine = [`${v4(14)}.2`, `${v6(4)}::2`];
  }

  /** Needs root. */
  static async create(directory: string): Promise<Network> {
    const holder = new Program(directory, '/usr/bin/unshare', ['--net', 'sleep', 'infinity']);
    try {
      const own = readlinkSync('/proc/self/ns/net');
      await until(
        'a network namespace',
        () => isAsleep(holder.pid) && readlinkSync(`/proc/${holder.pid}/ns/net`) !== own,
      );
      const network = new Network(holder, claim(holder.pid));
      network.connect();
      return network;
    } catch (error) {
      await holder.kill();
      throw error;
    }
  }

  /** Where pods find the API server: the first address of services. */
  get service(): string {
    return this.services[0].replace(/\.0\/\d+$/u, '.1');
  }

  private connect(): void {
    const { node, machine, device } = this;
    ip([`addr add ${machine[0]} peer ${node[0]} dev ${device}`, `addr add ${machine[1]}/126 dev ${device} nodad`]);
    ip(
      [
        ...['link set lo up', 'link set machine up'],
        ...[`addr add ${node[0]} peer ${machine[0]} dev machine`, `addr add ${node[1]}/126 dev machine nodad`],
        // What pods in the node's network send to services needs a way before kube-proxy gives it its own.
        ...[`route add ${this.services[0]} via ${machine[0]}`, `-6 route add ${this.services[1]} via ${machine[1]}`],
      ],
      this.runner,
    );
    run([...this.runner, 'sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    // As long as the node does not forward, IPv6's routes may not lead to it.
    ip([`-6 route add ${networkOf(this.pods[1])} via ${node[1]} dev ${device}`]);
  }

  /** Ends what holds the network; it is gone when the last of its processes is. */
  async remove(): Promise<void> {
    await this.holder.kill();
    await until(`${this.device} to be gone`, () => !execFileSync('ip', ['-br', 'link']).includes(this.device));
  }
}

/** Makes the veth to the node and takes the first networks that nobody has: a route can only be added once. */
function claim(pid: number): number {
  const device = deviceOf(pid);
  run(['ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'machine', 'netns', String(pid)]);
  run(['ip', 'link', 'set', device, 'up']);
  const start = Math.floor(Math.random() * NETWORKS);
  for (let look = 0; look < NETWORKS; look++) {
    const number = (start + look) % NETWORKS;
    const { v4 } = bases(number);
    try {
      run(['ip', 'route', 'add', `${v4(0)}.0/20`, 'via', `${v4(14)}.1`, 'dev', device, 'onlink']);
      return number;
    } catch (error) {
      if (!String(error).includes('File exists')) throw error;
    }
  }
  throw new Error('expected a free network in 10.64.0.0/10, found none');
}

function bases(number: number): { v4: (third: number) => string; v6: (fourth: number) => string } {
  const [second, third] = [64 + Math.floor(number / 16), (number % 16) * 16];
  return { v4: (n) => `10.${second}.${third + n}`, v6: (n) => `fd6c:376d:${number.toString(16)}:${n}` };
}

/** Of all the networks of IPv6 that belong together, one for each testbed. */
function networkOf(pods: string): string {
  return pods.replace(/:1::\/64$/u, '::/48');
}

function deviceOf(pid: number): string {
  return `l7mpk${pid}`;
}

function isAsleep(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n';
  } catch {
    return false;
  }
}

function ip(lines: readonly string[], runner: readonly string[] = []): void {
  for (const line of lines) run([...runner, 'ip', ...line.split(' ')]);
}

function run([file = '', ...args]: readonly string[]): void {
  execFileSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
