/** A whole proxy between two hosts: its hot sessions go into the kernel and come back, and nobody can tell but by asking. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { L7MP, ProxyProcess, runCommand } from '../../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { parseMetrics, type Sample } from '../admin/tools.ts';
import { buildLab, CLIENT, namespace, removeLab, SERVER } from './lab.ts';

const IN_PROXY = ['netns', 'exec', namespace('proxy')];
const FOUR = { listen: '0.0.0.0', client: '10.1.0.1', proxy: '10.1.0.2', server: '10.2.0.2' };
const SIX = { listen: '::', client: 'fd01::1', proxy: 'fd01::2', server: 'fd02::2' };
const CLIENT_PORT = 7000;

/** A session, as the REST API shows it. */
interface Session {
  readonly name: string;
  readonly status: string;
  readonly counters: Record<'ingress' | 'egress', { packets: number; bytes: number; dropped: number }>;
  readonly offload: {
    readonly state: string;
    readonly reason?: string;
    readonly traffic?: Record<'ingress' | 'egress', { packets: number; bytes: number }>;
  };
  readonly events: readonly { readonly event: string; readonly message: string }[];
}

interface Offload {
  readonly enabled: boolean;
  readonly reason?: string;
  readonly flows?: number;
  readonly interfaces?: readonly string[];
  readonly handovers: number;
  readonly refusals: Record<string, number>;
}

interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

function configuration({ listen, server }: typeof FOUR, offload: object | string, options: object = {}): object {
  return {
    admin: { offload: 'init', access_log_path: 'stdout', access_log_format: '%PACKETS_IN% %BYTES_IN% %REASON%' },
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

describe(`a proxy with kernel offload, with ${versionOf(PYTHON, '--version')} and ${versionOf('curl', '--version')}`, () => {
  let proxy: ProxyProcess | undefined;
  let peers: Peer[] = [];

  beforeEach(buildLab);
  afterEach(async () => {
    await proxy?.stop();
    await Promise.all(peers.map((peer) => peer.stop()));
    proxy = undefined;
    peers = [];
    removeLab();
  });

  const run = (place: 'client' | 'server', code: string, args: readonly (string | number)[]): Peer => {
    const words = ['netns', 'exec', namespace(place), PYTHON, '-c', code, ...args.map(String)];
    const peer = new Peer('ip', words);
    peers.push(peer);
    return peer;
  };

  const start = async (places: typeof FOUR, ...more: [object | string, object?]): Promise<ProxyProcess> => {
    await run('server', SERVER, [places.server, 9000]).output(/ready/u);
    proxy = await ProxyProcess.start(configuration(places, ...more), [], '', `ip ${IN_PROXY.join(' ')}`);
    return proxy;
  };

  const curl = (path: string, ...words: string[]): string =>
    execFileSync('ip', [...IN_PROXY, 'curl', '-sSf', ...words, `${proxy?.api}${path}`], { encoding: 'utf8' });
  const sessions = (): Session[] => JSON.parse(curl('/api/v1/sessions')) as Session[];
  const offload = (): Offload => JSON.parse(curl('/api/v1/offload')) as Offload;

  /** Sends until it is told to stop. */
  const sender = ({ client, proxy: target }: typeof FOUR): { stop(): Promise<Traffic> } => {
    const peer = run('client', CLIENT, [client, CLIENT_PORT, target, 5000, 0]);
    return {
      stop: async () => {
        peer.endInput();
        expect(await peer.exit, peer.stderr).to.equal(0);
        const [packets = 0, bytes = 0] = peer.stdout.trim().split(' ').map(Number);
        return { packets, bytes };
      },
    };
  };

  /** Waits until the kernel has relayed some of the only session. */
  const inKernel = (): Promise<Session> =>
    until('a session in the kernel', () => {
      const [session] = sessions();
      return session?.offload.state === 'kernel' && (session.offload.traffic?.egress.packets ?? 0) > 1000 && session;
    });

  /** Waits until so much is counted. */
  const counted = async ({ packets, bytes }: Traffic): Promise<Session> => {
    const session = await until('the last packets to be counted', () =>
      sessions().find(({ counters }) => counters.egress.packets >= packets),
    );
    const expected = { packets, bytes, dropped: 0 };
    expect(session.counters).to.deep.equal({ ingress: expected, egress: expected });
    return session;
  };

  const sumOf = (samples: readonly Sample[], name: string, direction: string, path?: string): number =>
    samples
      .filter((sample) => sample.name === name && sample.labels['direction'] === direction)
      .filter(({ labels }) => path === undefined || labels['path'] === path)
      .reduce((sum, { value }) => sum + value, 0);

  const ways: readonly [string, typeof FOUR][] = [
    ['IPv4', FOUR],
    ['IPv6', SIX],
    ['IPv4 to IPv6', { ...FOUR, listen: '::', server: SIX.server }],
    ['IPv6 to IPv4', { ...SIX, server: FOUR.server }],
  ];
  for (const [way, places] of ways) {
    it(`hands a hot session over and takes it back when it is deleted, ${way}: contents and counters are whole`, async () => {
      await start(places, { policy: 'auto', threshold: 100 });
      const hot = sender(places);
      const { name } = await inKernel();
      expect(offload()).to.deep.include({ enabled: true, flows: 1, handovers: 1, refusals: {} });
      expect(offload().interfaces).to.have.members(['to-client', 'to-server']);
      const sent = await hot.stop();
      const session = await counted(sent);
      const { traffic } = session.offload;
      expect(traffic?.ingress.packets).to.be.above(1000).and.below(sent.packets);
      expect(session.events.map(({ event }) => event)).to.include('KERNEL');

      const samples = await parseMetrics(curl('/metrics'));
      for (const subject of ['listener', 'cluster']) {
        for (const direction of ['ingress', 'egress'] as const) {
          expect(sumOf(samples, `l7mp_${subject}_bytes_total`, direction)).to.equal(sent.bytes);
          expect(sumOf(samples, `l7mp_${subject}_packets_total`, direction)).to.equal(sent.packets);
          const kernel = sumOf(samples, `l7mp_${subject}_packets_total`, direction, 'kernel');
          expect(kernel).to.equal(traffic?.[direction].packets);
        }
      }
      expect(samples.find((sample) => sample.name === 'l7mp_offload_flows')?.value).to.equal(1);

      curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');
      expect(offload().flows).to.equal(0);
      await proxy?.peer.output(new RegExp(`^${sent.packets} ${sent.bytes} DELETED$`, 'mu'));
      // Packets reach the sockets again: a new session.
      const again = sender(places);
      await until('a new session', () => sessions()[0]?.status === 'CONNECTED');
      const more = await again.stop();
      expect(more.packets).to.be.above(0);
      await counted(more);
    });
  }

  it('shows it by the command', async () => {
    const { api } = await start(FOUR, { policy: 'auto', threshold: 100 });
    const ask = async (...words: string[]): Promise<string> => {
      const result = await runCommand('ip', [...IN_PROXY, L7MP, ...words, '--api', api]);
      expect(result.code, result.stderr).to.equal(0);
      return result.stdout;
    };
    expect(await ask('offload')).to.match(/^on, by tcx: 0 of 16384 sessions\n0 given to the kernel, 0 taken back\n$/u);
    const hot = sender(FOUR);
    const { name } = await inKernel();
    const shown = await ask('offload');
    expect(shown).to.contain('1 of 16384 sessions\n1 given to the kernel');
    expect(shown).to.match(new RegExp(`^${name.replaceAll('.', '[.]')} +in +\\d+/s +\\d+ +[\\d.]+ .?B +kernel$`, 'mu'));
    expect(JSON.parse(await ask('offload', '-o', 'json'))).to.deep.include({ enabled: true, flows: 1 });
    expect(await ask('explain', name)).to.match(/^packets {4}pass the kernel alone; the kernel has relayed \d+$/mu);
    await hot.stop();
  });

  it('ends a session that is idle, not one whose packets the kernel relays', async () => {
    await start(FOUR, 'always', { idle_timeout: 700 });
    const hot = sender(FOUR);
    await inKernel();
    // Longer than it may be idle, by the kernel's count.
    await until('much more traffic in the same session', () => {
      const all = sessions();
      expect(all).to.have.length(1);
      return (all[0]?.counters.ingress.packets ?? 0) > 20_000;
    });
    const { packets, bytes } = await hot.stop();
    await proxy?.peer.output(new RegExp(`^${packets} ${bytes} IDLE_TIMEOUT$`, 'mu'));
    expect(sessions()).to.deep.equal([]);
    expect(offload()).to.deep.include({ flows: 0, handovers: 1 });
  });

  it('counts all of it when the proxy stops', async () => {
    const process = await start(FOUR, 'always');
    const hot = sender(FOUR);
    await inKernel();
    const { packets, bytes } = await hot.stop();
    process.peer.signal('SIGTERM');
    process.peer.signal('SIGINT');
    await process.peer.exit;
    expect(process.peer.stdout).to.equal(`${packets} ${bytes} LISTENER_CLOSED\n`);
  });

  it('says which condition keeps a session in user space', async () => {
    await start(FOUR, 'always', { datagrams_per_second: 1_000_000 });
    const hot = sender(FOUR);
    const refused = await until('a refusal', () => {
      const { 'rate-limit': count = 0 } = offload().refusals;
      return count > 0 && sessions()[0];
    });
    expect(refused.offload).to.deep.equal({
      state: 'user',
      reason: 'expected no limit of datagrams or bytes a second (datagrams_per_second, bytes_per_second), found one',
    });
    await counted(await hot.stop());
  });

  it('works in user space without privileges, and says so once', async () => {
    await run('server', SERVER, [FOUR.server, 9000]).output(/ready/u);
    const runner = `ip ${IN_PROXY.join(' ')} setpriv --bounding-set=-all --inh-caps=-all`;
    proxy = await ProxyProcess.start(configuration(FOUR, 'always'), [], '', runner);
    const hot = sender(FOUR);
    await until('some traffic', () => (sessions()[0]?.counters.egress.packets ?? 0) > 1000);
    await counted(await hot.stop());
    const { reason } = offload();
    expect(reason).to.contain('needs Linux 5.16, CAP_BPF and CAP_NET_ADMIN').and.to.contain('not permitted');
    expect(sessions()[0]?.offload).to.deep.equal({ state: 'user', reason });
    const told = proxy.log().filter(({ msg }) => msg.includes('offload'));
    expect(told).to.have.length(1);
    expect(told[0]).to.include({ level: 'warn', reason, msg: 'no kernel offload: every session stays in user space' });
  });
});
