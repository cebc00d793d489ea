import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../../../support/certificates.ts';
import { packageVersion, Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { python } from './python.ts';
import { until } from '../../../../support/until.ts';

const LISTENER = { protocol: 'WebSocket', address: '127.0.0.1', port: 0 };

/** A server that speaks first: its answer to the handshake, a message and the close frame are one segment. */
const SPEAKS_FIRST = `
import base64, hashlib, re, socket
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
peer, _ = server.accept()
request = b''
while b'\\r\\n\\r\\n' not in request: request += peer.recv(65536)
key = re.search(rb'(?i)sec-websocket-key: *(\\S+)', request).group(1)
accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
head = b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: '
peer.sendall(head + accept + b'\\r\\n\\r\\n' + b'\\x81\\x07welcome' + b'\\x88\\x02\\x03\\xe8')
while peer.recv(65536): pass`;

/** What the server saw of a handshake. */
interface Handshake {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly extensions: readonly string[];
}

describe(`A WebSocket cluster, with ${packageVersion('websockets')} at both ends and ${versionOf('socat', '-V')}`, () => {
  let server: Peer;
  let port: number;
  let proxy: TestProxy;
  let url: string;

  const serve = async (...args: string[]): Promise<void> => {
    server = new Peer(PYTHON, ['test/integration/dataplane/protocols/websocket/server.py', ...args]);
    const [, found] = await server.output(/^\{"port": (\d+)\}$/mu);
    port = Number(found);
  };
  const start = async (spec: object = {}, listener: object = {}, route: object = {}): Promise<void> => {
    const cluster = { spec: { protocol: 'WebSocket', port, ...spec }, endpoints: ['127.0.0.1'] };
    proxy = await startProxy(relay({ ...LISTENER, ...listener }, cluster, route, { options: { track: 10 } }));
    url = `ws://127.0.0.1:${proxy.port('in')}`;
  };
  const handshake = async (): Promise<Handshake> => {
    const [line] = await server.output(/^\{"path".*$/mu);
    return JSON.parse(line) as Handshake;
  };
  const closed = async (): Promise<unknown> => {
    const [line] = await server.output(/^\{"code".*$/mu);
    return JSON.parse(line);
  };

  beforeEach(() => serve());
  afterEach(async () => {
    await proxy.close();
    await server.stop();
  });

  it('passes on what the server says right behind its handshake', async () => {
    await server.stop();
    server = new Peer(PYTHON, ['-c', SPEAKS_FIRST]);
    const [, found] = await server.output(/^(\d+)$/mu);
    port = Number(found);
    await start();
    const code = `
async with connect(url) as peer:
    tell(await peer.recv())
    await peer.wait_closed()
    tell(peer.close_code)`;
    expect(await python(url, code)).to.deep.equal(['welcome', 1000]);
  });

  it('keeps text text and binary binary', async () => {
    await start();
    const code = `
async with connect(url) as peer:
    for message in ['text', b'binary', '', b'', 'é' * 100_000]:
        await peer.send(message)
        tell(await peer.recv() == message)`;
    expect(await python(url, code)).to.deep.equal([true, true, true, true, true]);
  });

  for (const [what, send, code, reason] of [
    ['a code and a reason', "await peer.close(4001, 'bye — until soon')", 4001, 'bye — until soon'],
    ['a code', 'await peer.close(1000)', 1000, ''],
    ['neither', 'await raw(peer, lambda it: it.send_close())', 1005, ''],
  ] as const) {
    it(`hands on a client's close with ${what}`, async () => {
      await start();
      await python(url, `peer = await connect(url)\n${send}\nawait closed(peer)`);
      expect(await closed()).to.deep.equal({ code, reason });
    });
  }

  it("hands on a server's close, with code and reason", async () => {
    await start();
    expect(await python(url, "tell(await closed(await connect(url + '/close')))")).to.deep.equal([[4002, 'enough']]);
  });

  it('tells a server whose client vanished that it is going away', async () => {
    await start();
    const code = `
peer = await connect(url)
await peer.send('x')
await peer.recv()
peer.transport.abort()`;
    await python(url, code);
    expect(await closed()).to.include({ code: 1001 });
  });

  it('hands on path, query and headers, but those of a connection', async () => {
    await start({ headers: { 'X-Proxy': 'l7mp', 'X-User': 'ours' } });
    const code = `
more = {'X-User': 'joe', 'Authorization': 'Bearer x', 'X-Hop': '1', 'Proxy-Connection': 'close'}
async with connect(url + '/a//b%20c?q=%C3%A9&r', additional_headers=more) as peer: pass`;
    await python(url, code);
    const { path, headers } = await handshake();
    expect(path).to.equal('/a//b%20c?q=%C3%A9&r');
    expect(headers).to.include({ 'x-proxy': 'l7mp', 'x-user': 'ours', authorization: 'Bearer x', 'x-hop': '1' });
    expect(headers).not.to.have.property('proxy-connection');
  });

  it('takes what rules wrote into the metadata', async () => {
    const cluster = { name: 'out', spec: { protocol: 'WebSocket', port }, endpoints: ['127.0.0.1'] };
    const rewrite = [
      { path: '/HTTP/url/path', value: '/elsewhere é' },
      { path: '/HTTP/headers/x-session', value: 'a\tb' },
      { path: '/WebSocket/subprotocols', value: ['chat.v3'] },
    ];
    const rules = [{ action: { rewrite, route: { destination: 'out' } } }];
    proxy = await startProxy({ listeners: [{ name: 'in', spec: LISTENER, rules }], clusters: [cluster] });
    url = `ws://127.0.0.1:${proxy.port('in')}`;
    await python(url, "async with connect(url + '/here') as peer: pass");
    const { path, headers } = await handshake();
    expect(path).to.equal('/elsewhere%20%C3%A9');
    expect(headers).to.include({ 'x-session': 'a\tb', 'sec-websocket-protocol': 'chat.v3' });
  });

  it('answers the client with the subprotocol that the server chose', async () => {
    await start();
    const code = `
async with connect(url, subprotocols=['chat.v1', 'chat.v3']) as peer: tell(peer.subprotocol)`;
    expect(await python(url, code)).to.deep.equal(['chat.v3']);
  });

  it('asks for subprotocols of its own', async () => {
    await start({ subprotocols: ['chat.v9', 'chat.v2'] });
    await python(url, "async with connect(url, subprotocols=['chat.v1']) as peer: tell(peer.subprotocol)");
    expect((await handshake()).headers['sec-websocket-protocol']).to.equal('chat.v9,chat.v2');
  });

  it('refuses the client with the status that the server answered', async () => {
    await start();
    const code = `
for status in [401, 403, 503]:
    try: await connect(f'{url}/refuse/{status}')
    except websockets.InvalidStatus as refused: tell(refused.response.status_code)`;
    expect(await python(url, code)).to.deep.equal([401, 403, 503]);
    expect(proxy.sessions().map(({ reason }) => reason)).to.deep.equal(Array(3).fill('CONNECT_FAILED'));
  });

  for (const compress of [true, false]) {
    it(`${compress ? 'asks' : 'does not ask'} for compression, as its configuration says`, async () => {
      await start({ compress });
      const code = `
async with connect(url) as peer:
    await peer.send('again and ' * 10_000)
    tell(await peer.recv() == 'again and ' * 10_000)`;
      expect(await python(url, code)).to.deep.equal([true]);
      expect((await handshake()).extensions).to.deep.equal(compress ? ['permessage-deflate'] : []);
    });
  }

  for (const [path, code, reason] of [
    ['large', 1009, 'TOO_LARGE'],
    ['broken', 1007, 'PROTOCOL_ERROR'],
  ] as const) {
    it(`tells a server of what was ${path} by ${code}, and its client that something failed`, async () => {
      await start({ max_message_bytes: 1000 });
      expect(await python(`${url}/${path}`, 'tell((await closed(await connect(url)))[0])')).to.deep.equal([1011]);
      expect(await closed()).to.include({ code });
      await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
      expect(proxy.sessions()[0]?.reason).to.equal(reason);
    });
  }

  it('speaks wss, and checks whom it speaks to', async () => {
    await server.stop();
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    try {
      const { cert, key } = makeCertificate(directory, 'server', 'DNS:server.example');
      await serve(cert, key);
      await start({ tls: { ca: cert, server_name: 'server.example' } });
      const echo = "async with connect(url) as peer:\n    await peer.send('secret')\n    tell(await peer.recv())";
      expect(await python(url, echo)).to.deep.equal(['secret']);
      await proxy.close();
      await start({ tls: { ca: cert, server_name: 'other.example' } });
      const refused = `
try: await connect(url)
except websockets.InvalidStatus as refused: tell([refused.response.status_code, refused.response.body.decode()])`;
      expect(await python(url, refused)).to.deep.equal([[502, 'Bad Gateway: TLS_FAILED\n']]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  for (const [type, echoed] of [
    ['text', '"text"'],
    ['binary', '"bytes"'],
  ] as const) {
    it(`sends the bytes of TCP as ${type} messages, to a path of its own`, async () => {
      await start({ message_type: type, path: '/own' }, { protocol: 'TCP' });
      const client = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      client.write('hé');
      await client.output(/^hé$/u);
      client.endInput();
      expect(await client.exit).to.equal(0);
      expect((await handshake()).path).to.equal('/own');
      const [, kind] = await server.output(/^\{"kind": ("\w+")\}$/mu);
      expect(kind).to.equal(echoed);
      expect(await closed()).to.include({ code: 1000 });
    });
  }
});
