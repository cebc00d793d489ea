import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeCertificate } from '../../../../support/certificates.ts';
import { packageVersion, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { python } from './python.ts';
import { until } from '../../../../support/until.ts';

const run = promisify(execFile);

const ECHO = { spec: { protocol: 'Echo' } };

describe(`A WebSocket listener before Echo, with ${packageVersion('websockets')} and ${versionOf('curl', '--version')}`, () => {
  let proxy: TestProxy;
  let url: string;

  const start = async (more: object = {}, cluster: object = ECHO): Promise<void> => {
    const listener = { protocol: 'WebSocket', address: '127.0.0.1', port: 0, ...more };
    proxy = await startProxy(relay(listener, cluster, {}, { options: { track: 10 } }));
    url = `ws://127.0.0.1:${proxy.port('in')}`;
  };
  const reason = async (): Promise<string | undefined> => {
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    return proxy.sessions()[0]?.reason;
  };

  afterEach(() => proxy.close());

  it('keeps text text and binary binary, empty and large messages too', async () => {
    await start();
    const code = `
async with connect(url, compression=None) as peer:
    for message in ['text', b'binary', '', b'', 'é' * 100_000, bytes(200_000)]:
        await peer.send(message)
        tell(await peer.recv() == message)`;
    expect(await python(url, code)).to.deep.equal([true, true, true, true, true, true]);
  });

  it('puts the fragments of a message together, a ping in between', async () => {
    await start();
    const code = `
async with connect(url) as peer:
    await raw(peer, lambda it: it.send_text('hé'.encode()[:2], fin=False))
    pong = await peer.ping()
    await raw(peer, lambda it: it.send_continuation('hé'.encode()[2:], fin=False))
    await raw(peer, lambda it: it.send_continuation(b'!', fin=True))
    tell(await peer.recv())
    tell((await pong) > 0)`;
    expect(await python(url, code)).to.deep.equal(['hé!', true]);
  });

  it('takes a pong that nobody asked for', async () => {
    await start();
    const code = `
async with connect(url) as peer:
    await peer.pong(b'hello')
    await peer.send('after')
    tell(await peer.recv())`;
    expect(await python(url, code)).to.deep.equal(['after']);
  });

  const bad = {
    'text that is no UTF-8': ["it.send_text(b'\\xff')", 1007, 'PROTOCOL_ERROR'],
    'a message that is too large': ['it.send_binary(bytes(2000))', 1009, 'TOO_LARGE'],
    'a continuation of nothing': ["it.transport_write(b'\\x80\\x80\\0\\0\\0\\0')", 1002, 'PROTOCOL_ERROR'],
    'a frame without a mask': ["it.transport_write(b'\\x81\\x01a')", 1002, 'PROTOCOL_ERROR'],
    'a reserved bit': ["it.transport_write(b'\\xc1\\x80\\0\\0\\0\\0')", 1002, 'PROTOCOL_ERROR'],
    'a ping that is too long': [
      "it.transport_write(b'\\x89\\xfe\\0\\x80\\0\\0\\0\\0' + bytes(128))",
      1002,
      'PROTOCOL_ERROR',
    ],
  } as const;
  for (const [what, [frame, code, because]] of Object.entries(bad)) {
    it(`closes with ${code} at ${what}`, async () => {
      await start({ max_message_bytes: 1000 });
      const send = frame.startsWith('it.transport_write(')
        ? `peer.transport.write(${frame.slice('it.transport_write('.length)}`
        : `await raw(peer, lambda it: ${frame})`;
      const text = `
peer = await connect(url, compression=None)
${send}
tell((await closed(peer))[0])`;
      expect(await python(url, text)).to.deep.equal([code]);
      expect(await reason()).to.equal(because);
    });
  }

  it('answers a close with the same code, and without one', async () => {
    await start();
    const code = `
peer = await connect(url)
await peer.close(4001, 'bye')
tell(await closed(peer))
peer = await connect(url)
await raw(peer, lambda it: it.send_close())
tell((await closed(peer))[0])`;
    expect(await python(url, code)).to.deep.equal([[4001, 'bye'], 1005]);
  });

  it('answers what is sent just before the close', async () => {
    await start();
    const code = `
peer = await connect(url, max_queue=None)
for number in range(500): await peer.send(str(number))
await raw(peer, lambda it: it.send_close(1000))
got = [message async for message in peer]
tell(got == [str(number) for number in range(500)])`;
    expect(await python(url, code)).to.deep.equal([true]);
  });

  for (const compress of [true, false]) {
    it(`${compress ? 'compresses' : 'does not compress'} what a client offers to, as its configuration says`, async () => {
      await start({ compress });
      const code = `
async with connect(url) as peer:
    await peer.send('again and ' * 10_000)
    tell(await peer.recv() == 'again and ' * 10_000)
    tell([each.name for each in peer.protocol.extensions])`;
      expect(await python(url, code)).to.deep.equal([true, compress ? ['permessage-deflate'] : []]);
    });
  }

  it('bounds what a small message may unfold to', async () => {
    await start({ compress: true, max_message_bytes: 100_000 });
    const code = `
peer = await connect(url)
await peer.send(bytes(10_000_000))
tell((await closed(peer))[0])`;
    expect(await python(url, code)).to.deep.equal([1009]);
  });

  it('chooses among subprotocols: its own order, and none that the client has not', async () => {
    await start({ subprotocols: ['chat.v2', 'chat.v1'] });
    const code = `
for offered in [['chat.v1', 'chat.v2'], ['chat.v1'], ['other'], None]:
    async with connect(url, subprotocols=offered) as peer: tell(peer.subprotocol)`;
    expect(await python(url, code)).to.deep.equal(['chat.v2', 'chat.v1', null, null]);
  });

  it("tells in the metadata who came, with the request's parts", async () => {
    await start({ path: '/chat' });
    const code = `
async with connect(url + '/chat?a=1&b', additional_headers={'X-User': 'joe'}, subprotocols=['x']) as peer: pass`;
    await python(url, code);
    const [session] = proxy.sessions();
    const port = proxy.port('in');
    expect(session?.name).to.match(new RegExp(`^WS:127\\.0\\.0\\.1:\\d+-127\\.0\\.0\\.1:${port}-0$`, 'u'));
    expect(session?.metadata).to.have.nested.property('HTTP.headers.x-user', 'joe');
    expect(session?.metadata).to.deep.nested.include({
      'HTTP.url': { scheme: 'ws', host: '127.0.0.1', port, path: '/chat', query: 'a=1&b' },
      'HTTP.method': 'GET',
      'WebSocket.subprotocols': ['x'],
      'IP.src_addr': '127.0.0.1',
      'TCP.dst_port': port,
    });
  });

  it('lets go of a client that answers no ping', async () => {
    await start({ ping_interval: 50 });
    const code = `
reader, writer = await asyncio.open_connection('127.0.0.1', int(url.split(':')[2]))
writer.write(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
    b'Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n')
answer = await reader.readuntil(b'\\r\\n\\r\\n')
tell('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' in answer.decode())  # as in RFC 6455, section 1.3
tell((await asyncio.wait_for(reader.read(), 5)).hex())`;
    expect(await python(url, code)).to.deep.equal([true, '8900']);
    expect(await reason()).to.equal('PEER_RESET');
  });

  it('serves wss, and tells what TLS agreed on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    try {
      const certificate = makeCertificate(directory, 'localhost', 'DNS:localhost');
      await start({ tls: certificate });
      const code = `
context = ssl.create_default_context(cafile='${certificate.cert}')
async with connect(url, ssl=context, server_hostname='localhost') as peer:
    await peer.send('secret')
    tell(await peer.recv())`;
      expect(await python(url.replace('ws:', 'wss:'), code)).to.deep.equal(['secret']);
      expect(proxy.sessions()[0]?.metadata).to.deep.nested.include({
        'TLS.sni': 'localhost',
        'HTTP.url.scheme': 'wss',
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  describe('answers a request that it cannot take', () => {
    const curl = async (path: string, ...headers: string[]): Promise<string> => {
      const args = ['-sS', '-i', '--http1.1', '--max-time', '5', ...headers.flatMap((header) => ['-H', header])];
      return (await run('curl', [...args, `http://127.0.0.1:${proxy.port('in')}${path}`])).stdout;
    };
    const upgrade = ['Upgrade: websocket', 'Connection: Upgrade'];
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const version = 'Sec-WebSocket-Version: 13';

    it('by 426 where it is no WebSocket, or another version', async () => {
      await start();
      expect(await curl('/')).to.match(/^HTTP\/1\.1 426 [^]*upgrade: websocket/iu);
      const other = await curl('/', ...upgrade, key, 'Sec-WebSocket-Version: 8');
      expect(other).to.match(/^HTTP\/1\.1 426 [^]*sec-websocket-version: 13/iu);
    });

    it('by 400 where its key or its subprotocols are malformed', async () => {
      await start();
      expect(await curl('/', ...upgrade, version, 'Sec-WebSocket-Key: short')).to.match(/^HTTP\/1\.1 400 /u);
      expect(await curl('/', ...upgrade, version, key, 'Sec-WebSocket-Protocol: a, a')).to.match(/^HTTP\/1\.1 400 /u);
      expect(proxy.sessions()).to.have.length(0);
    });

    it('by 404 where it is for another path', async () => {
      await start({ path: '/chat' });
      expect(await curl('/chatter', ...upgrade, version, key)).to.match(/^HTTP\/1\.1 404 /u);
      expect(await curl('/chatter')).to.match(/^HTTP\/1\.1 404 /u);
    });

    it('by 502 where the endpoint refuses, 503 where there is none', async () => {
      await start({}, { spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] });
      expect(await curl('/', ...upgrade, version, key)).to.match(/^HTTP\/1\.1 502 [^]*CONNECT_REFUSED\n$/u);
      await proxy.close();
      await start({}, { spec: { protocol: 'TCP', port: 1 } });
      expect(await curl('/', ...upgrade, version, key)).to.match(/^HTTP\/1\.1 503 [^]*NO_ENDPOINT\n$/u);
    });
  });
});
