/** A whole proxy between two hosts: its TCP sessions go into the kernel and come back, and no byte is lost or counted twice. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../../support/certificates.ts';
import { L7MP, runCommand } from '../../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { parseMetrics } from '../admin/tools.ts';
import { Bed, FOUR, IN_PROXY, type Places, type Session, SIX } from './bed.ts';
import { inPlace, namespace } from './lab.ts';
import { type Report, report, say, Talker, TCP_PEER } from './tcp-lab.ts';

interface Tcp {
  readonly tcp: { readonly enabled: boolean; readonly flows: number; readonly reason?: string };
}

describe(`a proxy that splices TCP connections, with ${versionOf(PYTHON, '--version')} and ${versionOf('curl', '--version')}`, () => {
  let bed: Bed;
  let talkers: Talker[] = [];
  let others: Peer[] = [];
  let client: Talker;
  let server: Talker;

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(async () => {
    await Promise.all(talkers.map((talker) => talker.stop()));
    await Promise.all(others.map((peer) => peer.stop()));
    talkers = [];
    others = [];
    await bed.close();
  });

  const configuration = (
    { listen, server: address }: Places,
    options: object,
    route: object,
    cluster: object,
    drainTimeout = 500,
    listener: object = {},
  ) => ({
    admin: {
      offload: 'init',
      access_log_path: 'stdout',
      access_log_format: '%BYTES_IN% %BYTES_OUT% %REASON%',
      drain_timeout: drainTimeout,
    },
    listeners: [
      {
        name: 'in',
        spec: { protocol: 'TCP', port: 5000, address: listen, ...listener },
        options,
        rules: [{ action: { route: { destination: 'out', ...route } } }],
      },
    ],
    clusters: [{ name: 'out', spec: { protocol: 'TCP', port: 9000 }, endpoints: [address], ...cluster }],
  });

  const talk = (place: 'client' | 'server', words: readonly (string | number)[]): Talker => {
    const talker = new Talker(place, [PYTHON, '-c', TCP_PEER, ...words.map(String)]);
    talkers.push(talker);
    return talker;
  };

  const start = async (
    places: Places,
    {
      options = { offload: 'always' },
      route = {},
      cluster = {},
      listener = {},
      peers = [] as string[],
      drainTimeout = 500,
    } = {},
  ): Promise<void> => {
    server = talk('server', ['server', places.server, 9000, ...peers]);
    await server.next('ready');
    await bed.startProxy(configuration(places, options, route, cluster, drainTimeout, listener));
    client = talk('client', ['client', places.proxy, 5000, ...peers]);
    await Promise.all([client.next('connected'), server.next('connected')]);
  };

  const greet = async (): Promise<void> => {
    await say(client, 100, server);
    await say(server, 200, client);
  };

  /** The only session, once the kernel relays it. Quiet ones are heard again and again. */
  const inKernel = (isQuiet = false): Promise<Session> =>
    until('a session in the kernel', async () => {
      if (isQuiet) await greet();
      const [session] = bed.sessions();
      return session?.offload.state === 'kernel' && session;
    });

  const relayed = (bytes: number): Promise<Session> =>
    until('much relayed by the kernel', () => {
      const [session] = bed.sessions();
      const traffic = session?.offload.traffic;
      return traffic && Math.min(traffic.ingress.bytes, traffic.egress.bytes) > bytes && session;
    });

  const flows = (): number => (bed.offload() as unknown as Tcp).tcp.flows;

  /** Both were told that no more will come, and close their side. */
  const heardTheEnd = async (): Promise<void> => {
    for (const talker of [client, server]) {
      await until('the end', async () => (await report(talker)).end === 'closed');
      talker.tell('close');
    }
  };

  /** Both were told that the connection is no more, without sending anything. */
  const bothReset = async (): Promise<void> => {
    for (const [place, port] of [
      ['client', 'dport = 5000'],
      ['server', 'sport = 9000'],
    ] as const) {
      await until(`no connection of the ${place}`, () => inPlace(place, `ss -Htan ${port}`) === '');
    }
    expect((await client.next<Report>('done')).end).to.equal('Connection reset by peer');
  };

  /** What both have sent came whole, and was counted. */
  const finish = async (reason: string): Promise<[Report, Report]> => {
    const [one, two] = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
    expect([one.end, two.end]).to.deep.equal(['closed', 'closed']);
    expect([one.received, two.received]).to.deep.equal([two.sent, one.sent]);
    expect([one.receivedHash, two.receivedHash]).to.deep.equal([two.sentHash, one.sentHash]);
    await bed.proxy.peer.output(new RegExp(`^${one.sent} ${two.sent} ${reason}$`, 'mu'));
    return [one, two];
  };

  const remove = (name: string): string => bed.curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');

  it('gives a session back while somebody looks at it, and has it again later: contents and counters are whole', async () => {
    await start(FOUR, { peers: ['endless=1'] });
    await inKernel();
    await relayed(100_000);
    const tap = new Peer('ip', [...IN_PROXY, L7MP, 'tap', 'in', '--api', bed.proxy.api, '--json', '--count', '20']);
    others.push(tap);
    expect(await tap.exit, tap.stderr).to.equal(0);
    expect(tap.stdout.split('\n').filter((line) => line.includes('"type":"data"'))).to.have.length(20);
    const { events } = await inKernel();
    const ways = events.map(({ event }) => event).filter((event) => /KERNEL|USER/u.test(event));
    expect(ways).to.deep.equal(['KERNEL', 'USER SPACE', 'KERNEL']);
    client.tell('close');
    server.tell('close');
    await finish('OK');
  });

  for (const [way, places] of [
    ['IPv4', FOUR],
    ['IPv6', SIX],
  ] as const) {
    it(`has the kernel relay a bulk transfer both ways, ${way}: contents and counters are whole`, async () => {
      await start(places, {
        options: { offload: { policy: 'auto', byte_threshold: 10_000 } } as never,
        peers: ['endless=1'],
      });
      await inKernel();
      const { name, events } = await relayed(1_000_000);
      expect(events.map(({ event }) => event)).to.include('KERNEL');
      expect(flows()).to.equal(1);
      const words = [...IN_PROXY, L7MP, 'offload', '--api', bed.proxy.api];
      const { stdout } = await runCommand('ip', words);
      expect(stdout)
        .to.match(/^TCP: on, by tcx at .*: 1 of 4096 sessions$/mu)
        .and.to.match(/ kernel$/mu);
      const explained = await runCommand('ip', [...IN_PROXY, L7MP, 'explain', name, '--api', bed.proxy.api]);
      expect(explained.stdout).to.contain('pass the kernel alone');
      client.tell('close');
      server.tell('close');
      const [one, two] = await finish('OK');
      const samples = await parseMetrics(bed.curl('/metrics'));
      for (const subject of ['listener', 'cluster']) {
        for (const [direction, sent] of [
          ['ingress', one.sent],
          ['egress', two.sent],
        ] as const) {
          const parts = samples.filter(
            ({ name: metric, labels }) => metric === `l7mp_${subject}_bytes_total` && labels['direction'] === direction,
          );
          expect(parts.reduce((sum, { value }) => sum + value, 0)).to.equal(sent);
          expect(parts.find(({ labels }) => labels['path'] === 'kernel')?.value).to.be.above(1_000_000);
        }
      }
      expect(bed.sessions()).to.deep.equal([]);
    });
  }

  it('relays a connection that was looked at for TLS: contents and counters are whole', async () => {
    await start(FOUR, { listener: { tls_inspector: true }, peers: ['endless=1'] });
    await inKernel();
    await relayed(1_000_000);
    client.tell('close');
    server.tell('close');
    await finish('OK');
  });

  it('carries a half-closed connection to its end', async () => {
    await start(FOUR);
    await inKernel(true);
    client.tell('close');
    await say(server, 500_000, client);
    await say(server, 100_000, client);
    server.tell('close');
    await finish('OK');
  });

  for (const role of ['client', 'server'] as const) {
    it(`carries a reset by the ${role}, and says so`, async () => {
      await start(FOUR);
      await inKernel(true);
      const [one, two] = role === 'client' ? [client, server] : [server, client];
      one.tell('reset');
      expect((await two.next<Report>('done')).end).to.equal('Connection reset by peer');
      await bed.proxy.peer.output(/^\d+ \d+ PEER_RESET$/mu);
      expect(flows()).to.equal(0);
    });
  }

  it('takes a session back when it is deleted, and ends it in order', async () => {
    await start(FOUR);
    const { name } = await inKernel(true);
    remove(name);
    await heardTheEnd();
    await finish('DELETED');
    expect(flows()).to.equal(0);
  });

  it('ends a busy session that is deleted: what came is what was sent, as far as it came', async () => {
    await start(FOUR, { peers: ['endless=1'] });
    const { name } = await inKernel();
    await relayed(1_000_000);
    remove(name);
    const [one, two] = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
    await bed.proxy.peer.output(/^\d+ \d+ DELETED$/mu);
    const [, ingress = 0, egress = 0] = (/^(\d+) (\d+) DELETED$/mu.exec(bed.proxy.peer.stdout) ?? []).map(Number);
    expect(two.received).to.be.at.most(ingress);
    expect(ingress).to.be.at.most(one.sent);
    expect(one.received).to.be.at.most(egress);
    expect(egress).to.be.at.most(two.sent);
    expect(flows()).to.equal(0);
  });

  it('ends a half-closed session that is deleted, in bounded time', async () => {
    await start(FOUR);
    const { name } = await inKernel(true);
    client.tell('close');
    await say(server, 1000, client);
    const ingress = (await report(client)).sent;
    remove(name);
    await bed.proxy.peer.output(new RegExp(`^${ingress} \\d+ DELETED$`, 'mu'));
    expect(flows()).to.equal(0);
    await bothReset();
  });

  it('ends an idle session, and counts all of it', async () => {
    await start(FOUR, { options: { offload: 'always', idle_timeout: 2000 } as never });
    await inKernel(true);
    await heardTheEnd();
    await finish('IDLE_TIMEOUT');
  });

  for (const offload of ['always', 'never']) {
    for (const [what, change] of [
      ['their listener is removed', { listeners: [] }],
      ['their listener and their cluster are removed', { listeners: [], clusters: [] }],
      ['their listener moves to another port', { spec: { protocol: 'TCP', port: 5001, address: FOUR.listen } }],
      ['their listener is no more for the kernel', { options: { offload, bytes_per_second: 1 } }],
    ] as const) {
      const place = offload === 'always' ? 'the kernel' : 'user space';
      it(`has sessions in ${place} go on when ${what}`, async () => {
        const options = { offload };
        await start(FOUR, { options });
        if (offload === 'always') await inKernel(true);
        else await greet();
        const [{ name } = { name: '' }] = bed.sessions();
        const { listeners, ...rest } = configuration(FOUR, options, {}, {});
        bed.proxy.write({
          ...rest,
          listeners: listeners.map((listener) => ({ ...listener, ...change })),
          ...('listeners' in change && change),
        });
        await bed.proxy.logged('configuration reloaded');
        await say(client, 300_000, server);
        await say(server, 200_000, client);
        expect(bed.sessions().map((session) => session.name)).to.deep.equal([name]);
        expect(bed.offload()).to.include({ handovers: offload === 'always' ? 1 : 0, handbacks: 0 });
        client.tell('close');
        server.tell('close');
        await finish('OK');
      });
    }
  }

  it('takes sessions back when the proxy stops', async () => {
    await start(FOUR);
    await inKernel(true);
    const { peer } = bed.proxy;
    peer.signal('SIGTERM');
    await heardTheEnd();
    await finish('DRAINED');
    await peer.exit;
  });

  it('tells the ends of its sessions when it stops at once', async () => {
    await start(FOUR, { drainTimeout: 60_000 });
    await inKernel(true);
    const { peer } = bed.proxy;
    peer.signal('SIGTERM');
    await bed.proxy.logged('draining');
    peer.signal('SIGTERM');
    expect(await peer.exit).to.equal(143);
    await bothReset();
  });

  for (const [way, places] of [
    ['IPv4', FOUR],
    ['IPv6', SIX],
  ] as const) {
    it(`relays urgent data, which stay urgent and in their place, ${way}`, async () => {
      await start(places);
      await inKernel(true);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        const { sent } = await report(from);
        for (const [index, character] of ['!', '?'].entries()) {
          from.tell('send 5000');
          from.tell(`urgent ${character}`);
          await until('urgent data', async () => (await report(to)).urgent.length > index);
        }
        await say(from, 3000, to);
        expect((await report(to)).urgent).to.deep.equal([
          [sent + 5000, '!'],
          [sent + 10_000, '?'],
        ]);
      }
      expect(bed.offload()).to.include({ handovers: 1, handbacks: 0 });
      const [one, two] = await Promise.all([report(client), report(server)]);
      client.tell('close');
      server.tell('close');
      await bed.proxy.peer.output(new RegExp(`^${one.sent + 2} ${two.sent + 2} OK$`, 'mu'));
      const ends = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
      expect(ends[0].receivedHash).to.equal(ends[1].sentHash);
      expect(ends[1].receivedHash).to.equal(ends[0].sentHash);
    });
  }

  it('goes on in user space where segments come again and again that can not be relayed', async () => {
    await start(FOUR);
    await inKernel(true);
    client.tell('options');
    client.tell('send 100');
    await until('the session to come back', () => {
      const [session] = bed.sessions();
      return session?.events.some(({ event }) => event === 'USER SPACE');
    });
    await greet();
    expect(bed.offload().handbacks).to.equal(1);
    expect(bed.offload().refusals['unsupported']).to.be.at.least(1);
    client.tell('close');
    server.tell('close');
    await finish('OK');
  });

  for (const [what, options, cluster, route, reason] of [
    ['a framing', { framing: 'newline' }, {}, {}, 'expected UDP or TCP on both sides, found '],
    ['a limit', { bytes_per_second: 1_000_000_000 }, {}, {}, 'expected no limit of datagrams or bytes a second'],
    [
      'a retry',
      {},
      {},
      { retry: { retry_on: 'always' } },
      "expected a TCP session that ends with its cluster's connection, found retry_on always",
    ],
  ] as const) {
    it(`stays in user space with ${what}, and says so`, async () => {
      await start(FOUR, { options: { offload: 'always', ...options }, cluster, route });
      client.tell('send 100');
      const session = await until('a refusal', () => {
        return Object.keys(bed.offload().refusals).length > 0 && bed.sessions()[0];
      });
      expect(session.offload.state).to.equal('user');
      expect(session.offload.reason).to.contain(reason);
    });
  }

  it('stays in user space where its cluster speaks TLS, and says so', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    try {
      const { cert, key } = makeCertificate(directory, 'server', 'IP:10.2.0.2');
      const listen = ['-quiet', '-accept', '9000', '-cert', cert, '-key', key];
      const tls = new Peer('ip', ['netns', 'exec', namespace('server'), 'openssl', 's_server', ...listen]);
      others.push(tls);
      await until('the server to listen', () => inPlace('server', 'ss -Hltn sport = 9000').includes(':9000'));
      const spec = { protocol: 'TLS', port: 9000, tls: { insecure: true } };
      await bed.startProxy(configuration(FOUR, { offload: 'always' }, {}, { spec }));
      client = talk('client', ['client', FOUR.proxy, 5000]);
      await client.next('connected');
      client.tell('send 100');
      const session = await until(
        'a refusal',
        () => (bed.offload().refusals['protocol'] ?? 0) > 0 && bed.sessions()[0],
      );
      expect(session.offload).to.deep.equal({
        state: 'user',
        reason: 'expected UDP or TCP on both sides, found TLS at cluster out',
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
