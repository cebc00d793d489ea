import { expect } from 'chai';
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type ClientHttp2Stream, connect, constants, createSecureServer, type IncomingHttpHeaders } from 'node:http2';
import { createServer as createSecureHttp1Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';

const execute = promisify(execFile);

const LISTENER = { protocol: 'HTTP', address: '127.0.0.1', port: 0 };
const ECHO = { spec: { protocol: 'Echo' } };

describe(`HTTP/2, with ${versionOf('nghttp', '--version')}`, () => {
  let proxy: TestProxy;
  let url: string;

  beforeEach(async () => {
    proxy = await startProxy(relay(LISTENER, ECHO));
    url = `http://127.0.0.1:${proxy.port('in')}/`;
  });
  afterEach(() => proxy.close());

  it('ends each stream with a frame of its own, and no reset', async () => {
    const { stdout } = await execute('nghttp', ['--verbose', '--no-dep', '--timeout=8', url]);
    expect(stdout)
      .to.match(/recv DATA frame <length=0, flags=0x01/u)
      .and.not.to.include('RST_STREAM');
  });

  it('ends an answer whose length is known in its last frame', async () => {
    const server = createServer((_request, response) => response.setHeader('content-length', 4).end('pong'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await proxy.close();
    proxy = await startProxy(
      relay(LISTENER, { spec: { protocol: 'HTTP', port }, endpoints: [{ spec: { address: '127.0.0.1' } }] }),
    );
    const to = `http://127.0.0.1:${proxy.port('in')}/`;
    const { stdout } = await execute('nghttp', ['--verbose', '--no-dep', '--timeout=8', to]);
    server.closeAllConnections();
    server.close();
    expect(stdout)
      .to.match(/recv DATA frame <length=4, flags=0x01/u)
      .and.not.to.include('RST_STREAM');
  });

  it('answers many requests on one connection', async () => {
    const { stdout } = await execute('nghttp', ['--null-out', '--stat', '--timeout=8', '--multiply=50', url]);
    expect(stdout.match(/ 200 /gu) ?? []).to.have.lengthOf(50);
  });

  it('ends a refusal in order, though the request is still coming', async () => {
    await proxy.close();
    const rules = [
      { match: { op: 'test', path: '/HTTP/method', value: 'GET' }, action: { route: { destination: 'out' } } },
    ];
    proxy = await startProxy({
      listeners: [{ name: 'in', spec: LISTENER, rules }],
      clusters: [{ name: 'out', ...ECHO }],
    });
    const args = ['--verbose', '--no-dep', '--timeout=8', '--data=-', `http://127.0.0.1:${proxy.port('in')}/`];
    const nghttp = execute('nghttp', args);
    nghttp.child.stdin?.end(randomBytes(300_000));
    const { stdout } = await nghttp;
    expect(stdout).to.include(':status: 404').and.include('Not Found: NO_ROUTE').and.not.include('RST_STREAM');
  });

  it('stops a request that goes on after its answer, with no error', async () => {
    await proxy.close();
    const rules = [
      { match: { op: 'test', path: '/HTTP/method', value: 'GET' }, action: { route: { destination: 'out' } } },
    ];
    proxy = await startProxy({
      listeners: [{ name: 'in', spec: LISTENER, rules }],
      clusters: [{ name: 'out', ...ECHO }],
    });
    const session = connect(`http://127.0.0.1:${proxy.port('in')}`);
    try {
      const request = session.request({ ':method': 'POST' }); // it never ends
      let status: number | undefined;
      request.on('response', (headers) => (status = headers[':status']));
      request.resume().write('more');
      await once(request, 'close');
      expect(status).to.equal(404);
      expect(request.rstCode).to.equal(constants.NGHTTP2_NO_ERROR);
    } finally {
      session.destroy();
    }
  });

  it('answers a thousand requests of several connections and streams', async () => {
    const args = ['--requests=1000', '--clients=4', '--max-concurrent-streams=25', url];
    const { stdout } = await execute('h2load', args);
    expect(stdout).to.include('1000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(stdout).to.include('status codes: 1000 2xx');
  });

  it('answers header fields that are too large with 431 where its client does not know yet how large they may be', async () => {
    const { stdout } = await execute('nghttp', ['--stat', '--timeout=8', `--header=x: ${'y'.repeat(40_000)}`, url]);
    expect(stdout).to.match(/ 431 /u);
    expect((await execute('nghttp', ['--stat', '--timeout=8', url])).stdout).to.include(' 200 ');
  });

  it('refuses header fields that are too large, once its client knows how large they may be, and lives on', async () => {
    const session = connect(url);
    try {
      await once(session, 'remoteSettings');
      // What a client sends before it has acknowledged the limit is not held to it.
      await new Promise((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve(undefined))));
      const ask = (length: number): ClientHttp2Stream => session.request({ ':path': '/', x: 'y'.repeat(length) });
      const refused: unknown = await once(ask(40_000), 'response').catch((error: unknown) => error);
      expect(String(refused)).to.include('NGHTTP2_ENHANCE_YOUR_CALM');
      const [headers] = (await once(ask(10_000), 'response')) as [IncomingHttpHeaders];
      expect(headers[':status']).to.equal(200);
    } finally {
      session.destroy();
    }
  });
});

describe(`https, with ${versionOf('curl', '--version')} and ${versionOf('openssl', 'version')}`, () => {
  let directory: string;
  let cert: string;
  let key: string;
  let proxy: TestProxy;
  let url: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-https-'));
    cert = join(directory, 'cert.pem');
    key = join(directory, 'key.pem');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' },
    );
  });
  after(() => rmSync(directory, { recursive: true }));

  beforeEach(async () => {
    proxy = await startProxy(relay({ ...LISTENER, tls: { cert, key } }, ECHO));
    url = `https://localhost:${proxy.port('in')}/`;
  });
  afterEach(() => proxy.close());

  const curl = async (...args: string[]): Promise<Buffer> => {
    const options = { encoding: 'buffer', maxBuffer: 16 << 20 } as const;
    return (await execute('curl', ['-sS', '--max-time', '8', '--cacert', cert, ...args, url], options)).stdout;
  };

  for (const [flag, version] of [
    ['--http1.1', '1.1'],
    ['--http2', '2'],
  ] as const) {
    it(`speaks HTTP/${version} where ALPN asks for it`, async () => {
      const answer = await curl(flag, '--data', 'hello', '--write-out', ' %{http_version}');
      expect(answer.toString()).to.equal(`hello ${version}`);
    });

    it(`carries a mebibyte there and back over HTTP/${version}`, async () => {
      const body = randomBytes(1 << 20);
      writeFileSync(join(directory, 'body'), body);
      const answer = await curl(flag, '--data-binary', `@${join(directory, 'body')}`);
      const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
      expect(hash(answer)).to.equal(hash(body));
    });
  }

  it('proxies https to https, in either version on either side', async () => {
    for (const version of ['1.1', '2', 'auto']) {
      const cluster = {
        spec: { protocol: 'HTTP', port: proxy.port('in'), version, tls: { ca: cert, server_name: 'localhost' } },
        endpoints: ['127.0.0.1'],
      };
      const front = await startProxy(relay(LISTENER, cluster));
      try {
        for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
          const target = `http://127.0.0.1:${front.port('in')}/path`;
          const { stdout } = await execute('curl', ['-sS', '--max-time', '8', flag, '--data', 'hello', target]);
          expect(stdout, `${flag} to ${version}`).to.equal('hello');
        }
      } finally {
        await front.close();
      }
    }
  });

  it('follows an endpoint that comes back with another version, in either direction', async () => {
    const options = { cert: readFileSync(cert), key: readFileSync(key) };
    const serve = async (h2: boolean, port: number): Promise<() => Promise<void>> => {
      const sockets = new Set<Socket>();
      const answer = (request: { httpVersion: string }, response: { end(text: string): void }): void =>
        response.end(request.httpVersion);
      const server = h2 ? createSecureServer(options, answer) : createSecureHttp1Server(options, answer);
      server.on('secureConnection', (socket: Socket) => sockets.add(socket));
      await once(server.listen(port, '127.0.0.1'), 'listening');
      to = (server.address() as AddressInfo).port;
      return async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      };
    };
    let to = 0;
    let stop = await serve(true, 0);
    const spec = { protocol: 'HTTP', port: to, tls: { ca: cert, server_name: 'localhost' } };
    const front = await startProxy(relay(LISTENER, { spec, endpoints: ['127.0.0.1'] }));
    try {
      const asked = async (): Promise<string> => {
        const response = await fetch(`http://127.0.0.1:${front.port('in')}/`);
        return `${response.status} ${await response.text()}`;
      };
      const several = (): Promise<string[]> => Promise.all([asked(), asked(), asked()]);
      for (const h2 of [true, false, true]) {
        await stop();
        // Then kept connections are known to be gone.
        const refused = '502 Bad Gateway: CONNECT_REFUSED\n';
        while ((await several()).some((answer) => answer !== refused));
        stop = await serve(h2, to);
        const expected = `200 ${h2 ? '2.0' : '1.1'}`;
        expect(await several()).to.deep.equal([expected, expected, expected]);
        expect(await asked()).to.equal(expected);
      }
    } finally {
      await front.close();
      await stop();
    }
  });
});
