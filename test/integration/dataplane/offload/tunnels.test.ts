/** A whole proxy between two hosts: tunnels of HTTP, and WebSockets on both sides, go into the kernel and come back, as they are. */
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, packageVersion, PYTHON, versionOf } from '../../../support/peer.ts';
import { L7MP, runCommand } from '../../../support/command.ts';
import { until } from '../../../support/until.ts';
import { Bed, FOUR, IN_PROXY, type Session } from './bed.ts';
import { inPlace, namespace } from './lab.ts';
import { type Report, report, say, Talker, TCP_PEER } from './tcp-lab.ts';
import { WEBSOCKET_PEER } from './websocket-peer.ts';

type Talk = 'tcp' | 'websocket';

/** A web server at an address and a port, of a page that goes on, some 10 MB a second, until a file is there. Then it says what it was. */
const ENDLESS = `
import hashlib, http.server, os, sys, time

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        digest, size = hashlib.sha256(), 0
        while not os.path.exists(sys.argv[3]):
            chunk = os.urandom(65536)
            digest.update(chunk)
            size += len(chunk)
            self.wfile.write(chunk)
            time.sleep(0.005)
        print(digest.hexdigest(), size, flush=True)

http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
`;

const PEERS = { tcp: TCP_PEER, websocket: WEBSOCKET_PEER };

describe(`a proxy that splices tunnels, with ${packageVersion('websockets')} and ${versionOf('curl', '--version')}`, () => {
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

  const startProxy = async (
    listener: object,
    cluster: object,
    options: object = { offload: 'always' },
    route: object = {},
  ): Promise<void> => {
    await bed.startProxy({
      admin: {
        offload: 'init',
        drain_timeout: 500,
        access_log_path: 'stdout',
        access_log_format: '%BYTES_IN% %BYTES_OUT% %REASON%',
      },
      listeners: [
        {
          name: 'in',
          spec: { port: 5000, ...listener },
          options,
          rules: [{ action: { route: { destination: 'out', ...route } } }],
        },
      ],
      clusters: [{ name: 'out', spec: { port: 9000, ...cluster }, endpoints: [FOUR.server] }],
    });
  };

  const talk = (talk: Talk, place: 'client' | 'server', words: readonly (string | number)[]): Talker => {
    const talker = new Talker(place, [PYTHON, '-c', PEERS[talk], ...words.map(String)]);
    talkers.push(talker);
    return talker;
  };

  const serve = async (kind: Talk, ...options: string[]): Promise<void> => {
    server = talk(kind, 'server', ['server', FOUR.server, 9000, ...options]);
    await server.next('ready');
  };

  const connect = async (kind: Talk, ...options: string[]): Promise<void> => {
    client = talk(kind, 'client', ['client', FOUR.proxy, 5000, ...options]);
    await Promise.all([client.next('connected'), server.next('connected')]);
  };

  const greet = async (): Promise<void> => {
    await say(client, 100_000, server);
    await say(server, 200_000, client);
  };

  const only = (): Session | undefined => bed.sessions()[0];

  /** The only session, once the kernel relays it. Quiet ones are heard again and again. */
  const inKernel = (speak: (() => Promise<void>) | null = greet): Promise<Session> =>
    until('a session in the kernel', async () => {
      await speak?.();
      const session = only();
      return session?.offload.state === 'kernel' && session;
    });

  const relayed = (bytes: number): Promise<Session> =>
    until('much relayed by the kernel', () => {
      const session = only();
      const traffic = session?.offload.traffic;
      return traffic && Math.min(traffic.ingress.bytes, traffic.egress.bytes) > bytes && session;
    });

  /** Neither says more, and each has what the other has said. */
  const calm = async (): Promise<void> => {
    for (const talker of [client, server]) talker.tell('stop');
    await until('all to come', async () => {
      const [one, two] = await Promise.all([report(client), report(server)]);
      return one.sent === two.received && two.sent === one.received;
    });
  };

  /** What both have sent came whole. */
  const whole = ([one, two]: readonly Report[]): void => {
    expect([one?.received, two?.received]).to.deep.equal([two?.sent, one?.sent]);
    expect([one?.receivedHash, two?.receivedHash]).to.deep.equal([two?.sentHash, one?.sentHash]);
  };

  const bothDone = (): Promise<Report[]> => Promise.all([client, server].map((each) => each.next<Report>('done')));

  /** The client closes, and both know how. */
  const finish = async (): Promise<void> => {
    client.tell('close 4001');
    const reports = await bothDone();
    whole(reports);
    expect(reports.map(({ end }) => end)).to.deep.equal(['4001 enough', '4001 enough']);
  };

  const remove = (name: string): string => bed.curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');

  const WS = { protocol: 'WebSocket' };
  const HTTP = { protocol: 'HTTP' };

  describe('WebSocket on both sides', () => {
    const start = async (...options: string[]): Promise<void> => {
      await serve('websocket', ...options);
      await startProxy(WS, WS, { offload: { policy: 'auto', byte_threshold: 10_000 } });
      await connect('websocket', ...options);
    };

    it('carries messages of all sizes before, within and after it, and the close of a client', async () => {
      await start('endless=1');
      await inKernel(null);
      const { events } = await relayed(2_000_000);
      expect(events.map(({ event }) => event)).to.include.members(['BYTES', 'KERNEL']);
      await calm();
      await finish();
      await bed.proxy.peer.output(/^\d+ \d+ OK$/mu);
      expect(bed.sessions()).to.deep.equal([]);
    });

    it('has the ends answer pings and close each other', async () => {
      await start();
      await inKernel();
      expect(await client.ask('ping')).to.equal(true);
      expect(await server.ask('ping')).to.equal(true);
      expect(only()?.offload.state).to.equal('kernel');
      server.tell('close 4001');
      const reports = await bothDone();
      whole(reports);
      expect(reports.map(({ end }) => end)).to.deep.equal(['4001 enough', '4001 enough']);
    });

    it('is handed over in the middle of a frame, once that of the other side is whole', async () => {
      await start();
      await say(client, 100_000, server);
      await client.ask('half 1000000');
      await inKernel(() => say(server, 50_000, client));
      client.tell('rest');
      await greet();
      await calm();
      await finish();
    });

    it('waits for the last fragment of a message', async () => {
      await start();
      client.tell('begin');
      await until('a refusal', async () => {
        await say(server, 50_000, client);
        return (bed.offload().refusals['state'] ?? 0) > 0;
      });
      expect(await client.ask('ping')).to.equal(true);
      client.tell('end');
      await inKernel();
      await calm();
      await finish();
    });

    it('goes on as bytes when it comes back in the middle of a frame', async () => {
      await start();
      await inKernel();
      await client.ask('half 100000');
      client.tell('odd');
      client.tell('rest');
      const session = await until('the session to come back', () => {
        const session = only();
        return session?.offload.state === 'user' && session;
      });
      expect(session.events.map(({ event }) => event)).to.include('USER SPACE');
      await greet();
      expect(await client.ask('ping')).to.equal(true);
      await calm();
      await finish();
      await bed.proxy.peer.output(/^\d+ \d+ OK$/mu);
    });

    it('is taken back when it is deleted, and cut', async () => {
      await start();
      const { name } = await inKernel();
      await calm();
      remove(name);
      const reports = await bothDone();
      whole(reports);
      expect(reports.map(({ end }) => end)).to.deep.equal(['cut', 'cut']);
      await bed.proxy.peer.output(/^\d+ \d+ DELETED$/mu);
    });

    it('is taken back when the proxy stops, and cut', async () => {
      await start();
      await inKernel();
      await calm();
      bed.proxy.peer.signal('SIGTERM');
      const reports = await bothDone();
      whole(reports);
      await bed.proxy.peer.output(/^\d+ \d+ DRAINED$/mu);
      await bed.proxy.peer.exit;
    });
  });

  for (const [what, listener, cluster, reason] of [
    ['the listener compresses', { compress: true }, {}, 'a WebSocket that compresses (compress) at listener in'],
    ['the cluster asks', {}, { ping_interval: 1000 }, 'a WebSocket that asks its peer (ping_interval) at cluster out'],
    ['messages are limited', { max_message_bytes: 1_000_000 }, {}, '(max_message_bytes) at listener in'],
  ] as const) {
    it(`stays in user space where ${what}, and says so`, async () => {
      await serve('websocket', 'compress=1');
      await startProxy({ ...WS, ...listener }, { ...WS, ...cluster });
      await connect('websocket', 'compress=1');
      await until('a refusal', async () => {
        await greet();
        return (bed.offload().refusals['protocol'] ?? 0) > 0;
      });
      const { name, offload } = only() ?? {};
      expect(offload?.state).to.equal('user');
      expect(offload?.reason).to.contain(reason);
      const words = [...IN_PROXY, L7MP, 'explain', name ?? '', '--api', bed.proxy.api];
      expect((await runCommand('ip', words)).stdout.replace(/\s+/gu, ' ')).to.contain(reason);
      await calm();
      await finish();
    });
  }

  it('splices no WebSocket with TCP, and says so', async () => {
    await serve('tcp');
    await startProxy(WS, { protocol: 'TCP' });
    client = talk('websocket', 'client', ['client', FOUR.proxy, 5000]);
    await Promise.all([client.next('connected'), server.next('connected')]);
    await until('a refusal', () => (bed.offload().refusals['protocol'] ?? 0) > 0);
    expect(only()?.offload.reason).to.equal(
      'expected the same frames on both sides, found WebSocket at listener in and bytes without frames at cluster out',
    );
  });

  describe('an upgrade over HTTP', () => {
    for (const options of [[], ['compress=1']]) {
      it(`carries a WebSocket ${options.length === 0 ? 'without' : 'with'} compression`, async () => {
        await serve('websocket', 'endless=1', ...options);
        await startProxy(HTTP, HTTP, { offload: 'always' }, { retry: { retry_on: 'always' } });
        await connect('websocket', 'endless=1', ...options);
        await inKernel(null);
        await until('much to pass', async () => {
          const reports = await Promise.all([report(client), report(server)]);
          return only()?.offload.state === 'kernel' && reports.every(({ received }) => received > 5_000_000);
        });
        await calm();
        await finish();
        await bed.proxy.peer.output(/^\d+ \d+ OK$/mu);
        expect(bed.sessions()).to.deep.equal([]);
      });
    }

    it('goes on when it is given back', async () => {
      await serve('websocket');
      await startProxy(HTTP, HTTP);
      await connect('websocket');
      await inKernel();
      client.tell('odd');
      client.tell('send 100000');
      await until('the session to come back', () => only()?.offload.state === 'user');
      await greet();
      await calm();
      await finish();
    });

    it('ends when its session is deleted', async () => {
      await serve('websocket');
      await startProxy(HTTP, HTTP);
      await connect('websocket');
      const { name } = await inKernel();
      await calm();
      remove(name);
      whole(await bothDone());
      await bed.proxy.peer.output(/^\d+ \d+ DELETED$/mu);
    });
  });

  describe('CONNECT over HTTP', () => {
    let directory: string;

    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
    afterEach(() => rmSync(directory, { recursive: true }));

    const run = (place: 'client' | 'server', ...words: string[]): Peer => {
      const peer = new Peer('ip', ['netns', 'exec', namespace(place), ...words]);
      others.push(peer);
      return peer;
    };

    const listens = (port: number): Promise<unknown> =>
      until('the server to listen', () => inPlace('server', `ss -Hltn sport = ${port}`).includes(`:${port}`));

    const servePage = async (port: number): Promise<Peer> => {
      const server = run('server', PYTHON, '-c', ENDLESS, FOUR.server, String(port), join(directory, 'enough'));
      await listens(port);
      return server;
    };

    /** It ends once it was seen in the kernel. */
    const download = async (url: string, server: Peer): Promise<void> => {
      const proxy = ['--proxytunnel', '--proxy', `http://${FOUR.proxy}:5000`];
      const out = join(directory, 'copy');
      const curl = run('client', 'curl', '-sSf', ...proxy, '--output', out, url);
      await until('much relayed by the kernel', () => (only()?.offload.traffic?.egress.bytes ?? 0) > 1_000_000);
      writeFileSync(join(directory, 'enough'), '');
      expect(await curl.exit, curl.stderr).to.equal(0);
      const [, hash, size] = await server.output(/^([0-9a-f]+) (\d+)$/mu);
      expect(createHash('sha256').update(readFileSync(out)).digest('hex')).to.equal(hash);
      await bed.proxy.peer.output(/^\d+ \d+ OK$/mu);
      const [, egress = 0] = (/^\d+ (\d+) OK$/mu.exec(bed.proxy.peer.stdout) ?? []).map(Number);
      expect(egress).to.be.within(Number(size), Number(size) + 1000);
    };

    it('carries what curl asks of a TCP cluster', async () => {
      const server = await servePage(9000);
      await startProxy(HTTP, { protocol: 'TCP' });
      await download('http://files.test/file', server);
    });

    it(`carries what curl asks of another proxy, ${versionOf('ncat', '--version')}`, async () => {
      const server = await servePage(8000);
      run('server', 'ncat', '--listen', '9000', '--proxy-type', 'http');
      await listens(9000);
      await startProxy(HTTP, HTTP);
      await download(`http://${FOUR.server}:8000/file`, server);
    });
  });
});
