/** A whole proxy with kernel offload between the hosts of the lab, peers at both ends, and what its REST API says. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyProcess } from '../../../support/command.ts';
import { freePort } from '../../../support/free-port.ts';
import { hasTcpPort, Peer, PYTHON } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { buildLab, CLIENT, inPlace, namespace, type Place, removeLab, SERVER, STREAM } from './lab.ts';

export const IN_PROXY = ['netns', 'exec', namespace('proxy')];
export const FOUR = { listen: '0.0.0.0', client: '10.1.0.1', proxy: '10.1.0.2', server: '10.2.0.2' };
export const SIX = { listen: '::', client: 'fd01::1', proxy: 'fd01::2', server: 'fd02::2' };
export type Places = typeof FOUR;
export const WAYS: readonly (readonly [string, Places])[] = [
  ['IPv4', FOUR],
  ['IPv6', SIX],
  ['IPv4 to IPv6', { ...FOUR, listen: '::', server: SIX.server }],
  ['IPv6 to IPv4', { ...SIX, server: FOUR.server }],
];
const CLIENT_PORT = 7000;

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** What a stream of datagrams came to. */
export interface Streamed {
  readonly sent: Traffic;
  readonly received: Traffic;
  /** Numbers that came, each counted once. */
  readonly distinct: number;
  readonly wrong: number;
  /** Calls that failed. */
  readonly refused: number;
}

/** A session, as the REST API shows it. */
export interface Session {
  readonly name: string;
  readonly status: string;
  readonly counters: Record<'ingress' | 'egress', Traffic & { readonly dropped: number }>;
  readonly offload: {
    readonly state: string;
    readonly reason?: string;
    readonly traffic?: Record<'ingress' | 'egress', Traffic>;
  };
  readonly events: readonly { readonly event: string; readonly message: string; readonly timestamp: string }[];
}

export interface Offload {
  readonly enabled: boolean;
  readonly reason?: string;
  readonly flows?: number;
  readonly interfaces?: readonly string[];
  readonly handovers: number;
  readonly handbacks: number;
  readonly refusals: Record<string, number>;
}

export function configuration(
  { listen, server }: Places,
  offload: object | string,
  options: object = {},
  admin: object = {},
): object {
  return {
    admin: {
      offload: 'init',
      ...admin,
      access_log_path: 'stdout',
      access_log_format: '%PACKETS_IN% %BYTES_IN% %REASON%',
    },
    listeners: [
      {
        name: 'in',
        spec: { protocol: 'UDP', port: 5000, address: listen },
        options: { offload, ...options },
        rules: [{ action: { route: { destination: 'out' } } }],
      },
    ],
    clusters: [{ name: 'out', spec: { protocol: 'UDP', port: 9000 }, endpoints: [server] }],
  };
}

export class Bed {
  private process: ProxyProcess | undefined;
  private peers: Peer[] = [];
  /** Of sockets that lead out of the lab and into it. */
  private readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-bed-'));

  constructor() {
    buildLab();
  }

  async close(): Promise<void> {
    await this.stopProxy();
    await Promise.all(this.peers.map((peer) => peer.stop()));
    removeLab();
    rmSync(this.directory, { recursive: true });
  }

  get isRunning(): boolean {
    return this.process !== undefined;
  }

  get proxy(): ProxyProcess {
    if (!this.process) throw new Error('the proxy is not started');
    return this.process;
  }

  run(place: Place, code: string, args: readonly (string | number)[]): Peer {
    const words = ['netns', 'exec', namespace(place), PYTHON, '-c', code, ...args.map(String)];
    const peer = new Peer('ip', words);
    this.peers.push(peer);
    return peer;
  }

  /** An echo server, at the host of that name unless it says otherwise. */
  async serve(address: string, place: Place = 'server', code = SERVER, ...more: string[]): Promise<Peer> {
    const peer = this.run(place, code, [address, 9000, ...more]);
    await peer.output(/ready/u);
    return peer;
  }

  /** A port of 127.0.0.1 outside the lab that leads to this one of the proxy's. */
  async wayIn(port: number): Promise<number> {
    const outside = await freePort();
    await this.pass(IN_PROXY, port, [], outside);
    await until('the way in', () => hasTcpPort(outside));
    return outside;
  }

  /** From now on, this port of the proxy's 127.0.0.1 leads to the same one outside the lab. */
  async wayOut(port: number): Promise<void> {
    await this.pass([], port, IN_PROXY, port);
    await until('the way out', () => inPlace('proxy', `ss -Htln sport = ${port}`) !== '');
  }

  /** UNIX sockets are the same in all network namespaces. */
  private async pass(inner: readonly string[], to: number, outer: readonly string[], from: number): Promise<void> {
    const file = join(this.directory, `${to}-${from}`);
    const ends = [
      [inner, `UNIX-LISTEN:${file},fork,backlog=64`, `TCP:127.0.0.1:${to}`],
      [outer, `TCP-LISTEN:${from},bind=127.0.0.1,fork,reuseaddr,backlog=64`, `UNIX-CONNECT:${file}`],
    ] as const;
    for (const [runner, ...words] of ends) {
      const [command = '', ...args] = [...(runner.length > 0 ? ['ip', ...runner] : []), 'socat', ...words];
      this.peers.push(new Peer(command, args));
      await until('the socket', () => existsSync(file));
    }
  }

  async startProxy(config: object, runner = '', ...args: string[]): Promise<ProxyProcess> {
    this.process = await ProxyProcess.start(config, args, '', `ip ${IN_PROXY.join(' ')} ${runner}`);
    return this.process;
  }

  /** The proxy before its echo server. */
  async start(places: Places, ...more: [object | string, object?, object?]): Promise<ProxyProcess> {
    await this.serve(places.server);
    return this.startProxy(configuration(places, ...more));
  }

  async stopProxy(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  curl(path: string, ...words: string[]): string {
    const command = [...IN_PROXY, 'curl', '-sSf', ...words, `${this.proxy.api}${path}`];
    return execFileSync('ip', command, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  }

  sessions(): Session[] {
    return JSON.parse(this.curl('/api/v1/sessions')) as Session[];
  }

  offload(): Offload {
    return JSON.parse(this.curl('/api/v1/offload')) as Offload;
  }

  /** Sends until it is told to stop. */
  sender({ client, proxy: target }: Places): { stop(): Promise<Traffic> } {
    const peer = this.run('client', CLIENT, [client, CLIENT_PORT, target, 5000, 0]);
    return {
      stop: async () => {
        peer.endInput();
        expect(await peer.exit, peer.stderr).to.equal(0);
        const [packets = 0, bytes = 0] = peer.stdout.trim().split(' ').map(Number);
        return { packets, bytes };
      },
    };
  }

  /** Sends numbered datagrams; see STREAM of the lab. */
  stream(
    { client, proxy: target }: Places,
    options: object = {},
    place: Place = 'client',
  ): { stop(): Promise<Streamed> } {
    const peer = this.run(place, STREAM, [client, CLIENT_PORT, target, 5000, JSON.stringify(options)]);
    return {
      stop: async () => {
        peer.endInput();
        expect(await peer.exit, peer.stderr).to.equal(0);
        return JSON.parse(peer.stdout) as Streamed;
      },
    };
  }

  /** Waits until the kernel has relayed some more of the only session. */
  async inKernel(more = 1000): Promise<Session> {
    let before: number | undefined;
    return until('a session in the kernel', () => {
      const [session] = this.sessions();
      if (session?.offload.state !== 'kernel') return undefined;
      const packets = session.offload.traffic?.egress.packets ?? 0;
      before ??= packets;
      return packets - before > more && session;
    });
  }

  /** Waits until so much is counted. */
  async counted(sent: Traffic, received = sent): Promise<Session> {
    const session = await until('the last packets to be counted', () =>
      this.sessions().find(
        ({ counters }) => counters.ingress.packets >= sent.packets && counters.egress.packets >= received.packets,
      ),
    );
    expect(session.counters).to.deep.equal({ ingress: { ...sent, dropped: 0 }, egress: { ...received, dropped: 0 } });
    return session;
  }
}
