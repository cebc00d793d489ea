import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageVersion, Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const PEER = 'test/integration/dataplane/protocols/json-socket/peer.py';
const HEADER = '{"JSONSocketVersion": 1, "user": {"name": "joe"}}';
const OK = { JSONSocketVersion: 1, JSONSocketStatus: 200, JSONSocketMessage: 'OK' };

describe(`JSONSocket, with Python's sockets as its peer (${versionOf(PYTHON, '--version')}, ${packageVersion('websockets')})`, () => {
  let proxy: TestProxy | undefined;
  let peer: Peer | undefined;
  let directory: string;

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-jsonsocket-'))));

  afterEach(async () => {
    await peer?.stop();
    await proxy?.close();
    peer = proxy = undefined;
    rmSync(directory, { recursive: true });
  });

  /** A listener on this transport, whose sessions are echoed. */
  const listen = async (transport: object, cluster: object = { spec: { protocol: 'Echo' } }): Promise<TestProxy> => {
    proxy = await startProxy(relay({ protocol: 'JSONSocket', transport_spec: transport }, cluster));
    return proxy;
  };

  const start = (...args: (string | number)[]): Peer => {
    peer = new Peer(PYTHON, [PEER, ...args.map(String)]);
    return peer;
  };

  /** What a client sees that sends these. */
  const talk = async (client: Peer, ...messages: string[]): Promise<unknown[]> => {
    for (const message of messages) client.write(`${JSON.stringify(message)}\n`);
    client.endInput();
    expect(await client.exit, client.stderr).to.equal(0);
    return client.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };

  const datagrams = {
    UDP: async (cluster?: object) => {
      const at = await listen({ protocol: 'UDP', address: '127.0.0.1', port: 0 }, cluster);
      return start('client', 'udp', '127.0.0.1', at.port('in'));
    },
    'UNIX datagram sockets': async (cluster?: object) => {
      const path = join(directory, 'socket');
      await listen({ protocol: 'UnixDatagram', filename: path }, cluster);
      return start('client', 'unix', path);
    },
  };

  for (const [name, connect] of Object.entries(datagrams)) {
    describe(`over ${name}`, () => {
      it('takes a client, and passes its datagrams both ways', async () => {
        const seen = await talk(await connect(), HEADER, 'payload', '{"JSONSocketVersion": 1}');
        expect(JSON.parse(seen[0] as string)).to.deep.equal(OK);
        expect(seen.slice(1)).to.deep.equal(['payload', '{"JSONSocketVersion": 1}']);
        expect(proxy?.sessions()[0]?.metadata).to.deep.include({
          name: 'JSONSocket:in-0',
          JSONSocket: { JSONSocketVersion: 1, user: { name: 'joe' } },
        });
      });

      it('tells a client what is wrong with its header, and hears the next', async () => {
        const seen = await talk(await connect(), 'hello', '{"JSONSocketVersion": 2}', HEADER);
        expect(seen.map((text) => (JSON.parse(text as string) as typeof OK).JSONSocketStatus)).to.deep.equal([
          400, 505, 200,
        ]);
      });

      it('tells a client that its session could not be connected', async () => {
        const cluster = { spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] };
        const seen = await talk(await connect(cluster), HEADER);
        expect(JSON.parse(seen[0] as string)).to.deep.equal({
          JSONSocketVersion: 1,
          JSONSocketStatus: 502,
          JSONSocketMessage: 'Bad Gateway: CONNECT_REFUSED',
        });
      });
    });
  }

  it('over UDP answers a header again that a client repeats', async () => {
    const seen = await talk(await datagrams.UDP(), HEADER, HEADER, 'payload', HEADER);
    expect(seen.map((text) => (text === 'payload' ? text : (JSON.parse(text as string) as unknown)))).to.deep.equal([
      OK,
      OK,
      'payload',
      OK,
    ]);
    expect(proxy?.sessions()).to.have.length(1);
  });

  it('over TCP takes a client whose header comes in pieces with payload behind it, half-close kept', async () => {
    const at = await listen({ protocol: 'TCP', address: '127.0.0.1', port: 0 });
    const client = start('client', 'tcp', '127.0.0.1', at.port('in'));
    const [seen] = await talk(client, HEADER.slice(0, 20), `${HEADER.slice(20)}first`, ' second');
    expect(seen).to.equal(`${JSON.stringify(OK)}first second`);
  });

  it('over TCP tells a client what is wrong, then closes', async () => {
    const at = await listen({ protocol: 'TCP', address: '127.0.0.1', port: 0 });
    const [seen] = await talk(start('client', 'tcp', '127.0.0.1', at.port('in')), 'GET / HTTP/1.1\r\n\r\n');
    expect(JSON.parse(seen as string)).to.deep.include({ JSONSocketStatus: 400 });
  });

  it('over WebSocket takes a client, with headers in text', async () => {
    const at = await listen({ protocol: 'WebSocket', address: '127.0.0.1', port: 0 });
    const client = start('client', 'websocket', `ws://127.0.0.1:${at.port('in')}/`);
    const seen = (await talk(client, HEADER, 'payload')) as { text: boolean; message: string }[];
    expect(seen[0]?.text).to.equal(true);
    expect(JSON.parse(seen[0]?.message ?? '')).to.deep.equal(OK);
    expect(seen[1]).to.deep.equal({ text: true, message: 'payload' });
  });

  /** A proxy that echoes nothing itself: what its UDP client sends goes to the peer, behind a header. */
  const toServer = async (transport: object, address: string, retry: object = {}): Promise<Peer> => {
    const header = [{ path: { from: '/UDP', to: '/from' } }, { set: { key: '/tag', value: 'x' } }];
    proxy = await startProxy(
      relay(
        { protocol: 'UDP', address: '127.0.0.1', port: 0 },
        { spec: { protocol: 'JSONSocket', transport_spec: transport, header }, endpoints: [address] },
        { retry: { retry_on: 'never', timeout: 2000, ...retry } },
      ),
    );
    return new Peer('socat', ['-t', '2', '-', `UDP:127.0.0.1:${proxy.port('in')}`]);
  };

  const servers: Record<string, () => Promise<[object, string]>> = {
    UDP: async () => {
      const [, port] = await start('server', 'udp', '127.0.0.1', 0).output(/"127.0.0.1", (\d+)/u);
      return [{ protocol: 'UDP', port: Number(port) }, '127.0.0.1'];
    },
    TCP: async () => {
      const [, port] = await start('server', 'tcp', '127.0.0.1', 0).output(/"127.0.0.1", (\d+)/u);
      return [{ protocol: 'TCP', port: Number(port) }, '127.0.0.1'];
    },
    WebSocket: async () => {
      const [, port] = await start('server', 'websocket', '127.0.0.1', 0).output(/"127.0.0.1", (\d+)/u);
      return [{ protocol: 'WebSocket', port: Number(port) }, '127.0.0.1'];
    },
    'UNIX datagram sockets': async () => {
      const path = join(directory, 'server');
      await start('server', 'unix', path).output(/server/u);
      return [{ protocol: 'UnixDatagram' }, path];
    },
  };

  for (const [name, serve] of Object.entries(servers)) {
    it(`over ${name} connects to a server with a header made of the metadata`, async () => {
      const client = await toServer(...(await serve()));
      client.write('payload');
      await client.output(/^payload$/u);
      const [line] = (await peer?.output(/.*JSONSocketVersion.*/u)) ?? [''];
      const seen = JSON.parse(line) as string | { text: boolean; message: string };
      if (typeof seen === 'object') expect(seen.text).to.equal(true);
      const header = JSON.parse(typeof seen === 'string' ? seen : seen.message) as Record<string, unknown>;
      expect(header).to.have.nested.property('from.dst_port', proxy?.port('in'));
      expect(header).to.deep.include({ JSONSocketVersion: 1, tag: 'x' });
      await client.stop();
    });
  }

  for (const type of ['text', 'binary']) {
    it(`over WebSocket sends the bytes of a stream as ${type}, where message_type says so`, async () => {
      const [spec, address] = await servers['WebSocket']!();
      proxy = await startProxy(
        relay(
          { protocol: 'TCP', address: '127.0.0.1', port: 0 },
          {
            spec: { protocol: 'JSONSocket', transport_spec: { ...spec, message_type: type } },
            endpoints: [address],
          },
        ),
      );
      const client = new Peer('socat', ['-t', '2', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      client.write('payload');
      const [line] = (await peer?.output(/.*"payload".*/u)) ?? [''];
      expect(JSON.parse(line)).to.deep.equal({ text: type === 'text', message: 'payload' });
      await client.stop();
    });
  }

  it('over UDP sends its header again when the answer is lost', async () => {
    process.env['LOSE'] = '1';
    const [transport, address] = await servers['UDP']!();
    delete process.env['LOSE'];
    const client = await toServer(transport, address);
    client.write('payload');
    await client.output(/^payload$/u);
    expect(peer?.stdout.match(/JSONSocketVersion/gu)).to.have.length(2);
    await client.stop();
  });

  for (const [what, answer] of [
    ['says no', '{"JSONSocketVersion": 1, "JSONSocketStatus": 503}'],
    ['says something else', 'hello'],
  ] as const) {
    it(`does not connect to a server that ${what}`, async () => {
      process.env['ANSWER'] = answer;
      const [transport, address] = await servers['UDP']!();
      delete process.env['ANSWER'];
      const client = await toServer(transport, address);
      client.write('payload');
      await peer?.output(/JSONSocketVersion/u);
      await until('the end of the session', () => proxy?.sessions().length === 0);
      expect(client.stdout).to.equal('');
      await client.stop();
    });
  }
});
