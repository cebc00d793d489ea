import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createServer2, type Http2Server } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { decodeConfig } from '../../../../../config/decode.ts';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until, untilSteady } from '../../../../support/until.ts';

const execute = promisify(execFile);

const LISTENER = { protocol: 'HTTP', address: '127.0.0.1', port: 0 };

async function curl(args: readonly string[], input: Buffer | string = ''): Promise<string> {
  const running = execute('curl', ['-sS', '--max-time', '8', ...args], { maxBuffer: 16 << 20 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

const STATUS = ['--output', '/dev/null', '--write-out', '%{http_code}'];

describe(`An HTTP cluster before node:http ${process.version}, asked by ${versionOf('curl', '--version')}`, () => {
  let server: Server;
  let answer: RequestListener;
  let connections: number;
  let seen: IncomingMessage[];
  let proxy: TestProxy | undefined;
  let url: string;

  beforeEach(async () => {
    connections = 0;
    seen = [];
    answer = (request, response) => void request.pipe(response);
    server = createServer((request, response) => {
      seen.push(request);
      answer(request, response);
    });
    server.on('connection', () => connections++);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await start();
  });

  afterEach(async () => {
    await proxy?.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  for (const [method, requests] of [
    ['GET', 3],
    ['POST', 1],
  ] as const) {
    it(`is asked ${requests} times where it breaks ${method} off, and the route tries again`, async () => {
      await proxy?.close();
      answer = (request) => void request.socket.destroy();
      const { port } = server.address() as AddressInfo;
      const cluster = { spec: { protocol: 'HTTP', port }, endpoints: ['127.0.0.1'] };
      // Its timeout limits a connect, too, and what lives for as long has worked: it may be tried as often as at first.
      const retry = { retry_on: 'disconnect', num_retries: 2, timeout: 2000 };
      proxy = await startProxy(relay(LISTENER, cluster, { retry }));
      url = `http://127.0.0.1:${proxy.port('in')}`;
      await curl([...STATUS, '-X', method, url]);
      expect(seen.map((request) => request.method)).to.deep.equal(Array(requests).fill(method));
    });
  }

  /** `spec`: of the cluster. */
  async function start(spec: object = {}, rules?: object[]): Promise<void> {
    await proxy?.close();
    const { port } = server.address() as AddressInfo;
    const more = rules ? { rules } : {};
    const cluster = { spec: { protocol: 'HTTP', port, ...spec }, endpoints: ['127.0.0.1'] };
    proxy = await startProxy(relay(LISTENER, cluster, { retry: { retry_on: 'never' } }, more));
    url = `http://127.0.0.1:${proxy.port('in')}`;
  }

  it('passes method, path, query and headers as they came', async () => {
    await curl(['-X', 'PATCH', '-H', 'X-Mixed: Case', '-H', 'Host: example.test', `${url}/a%20b?c=d&e`]);
    const [request] = seen;
    expect(request?.method).to.equal('PATCH');
    expect(request?.url).to.equal('/a%20b?c=d&e');
    expect(request?.rawHeaders).to.include.members(['X-Mixed', 'Case', 'example.test']);
    expect(request?.headers).to.include({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
  });

  for (const version of ['1.1', '2']) {
    it(`lets go of its connection of HTTP/${version} to an endpoint that is gone`, async () => {
      const upstream = version === '2' ? createServer2() : createServer();
      const open = new Set<Socket>();
      upstream.on('request', (_request: IncomingMessage, response: ServerResponse) => response.end('here'));
      upstream.on('connection', (socket: Socket) => {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
      });
      await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = upstream.address() as AddressInfo;
        const config = (address: string): object =>
          relay(LISTENER, { spec: { protocol: 'HTTP', port, version, idle_timeout: 0 }, endpoints: [address] });
        await proxy?.close();
        proxy = await startProxy(config('127.0.0.1'));
        expect(await curl([`http://127.0.0.1:${proxy.port('in')}`])).to.equal('here');
        expect(open.size).to.equal(1);
        const { value } = decodeConfig(config('127.0.0.2'));
        if (value) await proxy.proxy.replace(value);
        await until('the connection to go', () => open.size === 0);
      } finally {
        for (const socket of open) socket.destroy();
        await new Promise((resolve) => upstream.close(resolve));
      }
    });
  }

  for (const [what, rest] of Object.entries({ 'at its end': '', 'amid another': 'GET /cut HTT' })) {
    it(`answers all requests that came before the client closed its side ${what}`, async () => {
      answer = (request, response) => response.end(request.url);
      const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
      const client = execute('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy?.port('in')}`]);
      client.child.stdin?.end(['/one', '/two', '/three'].map(ask).join('') + rest);
      expect((await client).stdout.match(/^\/\w+(?=HTTP|$)/gmu)).to.deep.equal(['/one', '/two', '/three']);
      expect(seen).to.have.length(3);
    });
  }

  for (const [what, headers] of Object.entries({
    bytes: { 'x-long': 'x'.repeat(300_000) },
    fields: Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`x-${index}`, 'x'])),
  })) {
    it(`answers 502 where the head of the response has too many ${what}`, async () => {
      answer = (_request, response) => response.writeHead(200, headers).end('x');
      expect(await curl([...STATUS, url])).to.equal('502');
    });
  }

  it('sends what rules have written', async () => {
    const rewrite = [
      { path: '/HTTP/url/path', value: '/new' },
      { path: '/HTTP/headers/x-added', value: 'yes' },
      { path: '/HTTP/headers/accept', value: null },
      { path: '/HTTP/headers/x-evil', value: 'a\r\nx-smuggled: 1' },
    ];
    await start({ host: 'inner.test' }, [{ action: { rewrite, route: { destination: 'out' } } }]);
    await curl([`${url}/old?q`]);
    expect(seen[0]?.url).to.equal('/new?q');
    expect(seen[0]?.headers).to.include({ 'x-added': 'yes', host: 'inner.test' });
    expect(seen[0]?.headers).not.to.have.any.keys('accept', 'x-evil', 'x-smuggled');
  });

  it('does not pass what is of one connection only', async () => {
    await curl(['-H', 'Connection: keep-alive, x-private', '-H', 'X-Private: 1', '-H', 'Keep-Alive: 5', url]);
    expect(seen[0]?.headers).not.to.have.any.keys('x-private', 'keep-alive');
  });

  it('keeps a connection for the next request', async () => {
    for (let count = 0; count < 5; count++) await curl(['--data', 'x', url]);
    expect(seen).to.have.lengthOf(5);
    expect(connections).to.equal(1);
  });

  it('asks again on a new connection where a kept one is closed by its server', async () => {
    await curl([url]);
    answer = (request, response) => {
      if (connections === 1) request.socket.destroy();
      else response.end('again');
    };
    expect(await curl([url])).to.equal('again');
  });

  it('does not ask again for what may not be done twice', async () => {
    await curl([url]);
    answer = (request) => request.socket.destroy();
    expect(await curl(['-X', 'POST', ...STATUS, url])).to.equal('502');
    expect(seen).to.have.lengthOf(2);
  });

  for (const status of [201, 204, 301, 304, 404, 500]) {
    it(`passes the status ${status} with its headers, and goes on`, async () => {
      answer = (_request, response) => response.writeHead(status, { location: '/there' }).end();
      const args = ['--write-out', '%{http_code} %{num_connects}\n', '--head', '-X', 'GET'];
      const text = await curl([...args, url, url]);
      expect(text.match(new RegExp(`^${status} [01]$`, 'gmu'))).to.deep.equal([`${status} 1`, `${status} 0`]);
      expect(text).to.match(/^location: \/there\r$/mu);
    });
  }

  it('answers HEAD with the length of what GET would get', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': 12345 }).end();
    expect(await curl(['--head', url])).to.include('content-length: 12345\r\n');
  });

  it('passes both fields where one comes twice', async () => {
    answer = (_request, response) => response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] }).end();
    for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
      expect(await curl([flag, '--include', url])).to.match(/set-cookie: a=1\r\nset-cookie: b=2\r\n/u);
    }
  });

  it('passes early hints before the answer', async () => {
    answer = (_request, response) => response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end());
    for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
      expect(await curl([flag, '--include', url])).to.match(/ 103 .*\r\nlink: <\/a\.css>; rel=preload\r\n.* 200 /isu);
    }
  });

  it("passes the server's word to a client that waits to go on", async () => {
    const args = ['--expect100-timeout', '5', '-H', 'Expect: 100-continue', '--data', 'hello', '--include', url];
    expect(await curl(args)).to.match(/^HTTP\/1\.1 100 .*hello$/su);
  });

  it('passes trailers', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' }).write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    };
    expect(await curl(['--include', '--raw', url])).to.match(/4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n$/u);
    const verbose = await execute('nghttp', ['--verbose', '--no-dep', '--timeout=8', url]);
    expect(verbose.stdout).to.include('x-sum: 42');
  });

  it('passes an upgrade, and then bytes', async () => {
    server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: rot\r\nconnection: upgrade\r\n\r\n');
      socket.write(head);
      socket.pipe(socket);
    });
    const peer = new Peer('ncat', ['127.0.0.1', url.slice(url.lastIndexOf(':') + 1)]);
    try {
      peer.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: rot\r\n\r\nearly');
      await peer.output(/101 Switching Protocols\r\nupgrade: rot\r\nconnection: upgrade\r\n\r\nearly/u);
      peer.write('late');
      await peer.output(/earlylate$/u);
    } finally {
      await peer.stop();
    }
  });

  it('goes on with a client that has said much before its upgrade was answered', async () => {
    const early = randomBytes(300_000);
    server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
      // By when another request was answered, the client is held back.
      void curl([url]).then(() => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: rot\r\nconnection: upgrade\r\n\r\n');
        socket.write(head);
        socket.pipe(socket);
      });
    });
    answer = (_request, response) => response.end();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    try {
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: rot\r\n\r\n');
      socket.write(early);
      let echo = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => (echo = Buffer.concat([echo, chunk])));
      await until('the echo', () => echo.subarray(-100).equals(early.subarray(-100)));
      expect(echo.subarray(-early.length)).to.deep.equal(early);
    } finally {
      socket.destroy();
    }
  });

  it('answers 502 where there is no server', async () => {
    await start({ port: 1 });
    expect(await curl([...STATUS, url])).to.equal('502');
  });

  it('answers 502 where the server gives no answer', async () => {
    answer = (request) => request.socket.destroy();
    for (const flag of ['--http1.1', '--http2-prior-knowledge'])
      expect(await curl([flag, ...STATUS, url])).to.equal('502');
  });

  it('answers 502 to what is no HTTP', async () => {
    answer = (request) => request.socket.end('SSH-2.0-OpenSSH\r\n\r\n');
    expect(await curl([...STATUS, url])).to.equal('502');
  });

  it('answers 504 where the answer takes too long', async () => {
    await start({ response_timeout: 100 });
    answer = () => undefined;
    for (const flag of ['--http1.1', '--http2-prior-knowledge'])
      expect(await curl([flag, ...STATUS, url])).to.equal('504');
  });

  it('lets a client see that a response was cut short', async () => {
    for (const headers of [{ 'content-length': 100 }, {}]) {
      answer = (request, response) => {
        response.writeHead(200, headers).write('part', () => request.socket.destroy());
      };
      const error: unknown = await curl(['--http1.1', url]).catch((reason: unknown) => reason);
      expect(error).to.be.an('error').and.have.property('stdout', 'part');
      // Not curl: it may drop what it has read where a reset follows at once.
      const { stdout } = await execute('nghttp', ['--verbose', '--no-dep', '--timeout=8', url]);
      expect(stdout)
        .to.match(/recv DATA frame <length=4, flags=0x00[^]*recv RST_STREAM[^]*INTERNAL_ERROR/u)
        .and.not.match(/recv DATA frame <length=\d+, flags=0x01/u);
    }
  });

  it('passes an answer that comes before the whole request', async () => {
    answer = (request, response) => {
      response.writeHead(413).end('no');
      request.resume();
    };
    const body = randomBytes(3_000_000);
    expect(await curl(['--data-binary', '@-', '--write-out', '%{http_code}', url], body)).to.equal('no413');
    const nghttp = execute('nghttp', ['--data=-', '--verbose', '--timeout=8', '--no-dep', url]);
    nghttp.child.stdin?.end(body);
    expect((await nghttp).stdout)
      .to.include(':status: 413')
      .and.not.to.include('RST_STREAM');
  });

  it('holds a server back while the client does not read', async () => {
    let written = 0;
    answer = (_request, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (written < 64 << 20) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    };
    const slow = new Peer('curl', ['-sS', '--limit-rate', '100K', '--output', '/dev/null', url]);
    try {
      expect(await untilSteady('what was written', () => written)).to.be.lessThan(32 << 20);
    } finally {
      await slow.stop();
    }
  });
});

describe(`An HTTP cluster before node:http2 ${process.version}, asked by ${versionOf('curl', '--version')}`, () => {
  let server: Http2Server;
  let proxy: TestProxy;

  afterEach(async () => {
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it('asks over one connection, with bodies, trailers and statuses', async () => {
    let connections = 0;
    server = createServer2((request, response) => {
      response.statusCode = 203;
      response.setHeader('x-path', request.url);
      response.addTrailers({ 'x-sum': '42' });
      request.pipe(response);
    });
    server.on('session', () => connections++);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const cluster = { spec: { protocol: 'HTTP', port, version: '2' }, endpoints: ['127.0.0.1'] };
    proxy = await startProxy(relay(LISTENER, cluster));
    const url = `http://127.0.0.1:${proxy.port('in')}/a?b`;
    const body = randomBytes(300_000).toString('hex');
    expect(await curl(['--data-binary', '@-', url], body)).to.equal(body);
    const args = ['--raw', '--include', '--data', 'hello'];
    const text = await curl([...args, url]);
    expect(text)
      .to.match(/^HTTP\/1\.1 203 /u)
      .and.to.include('x-path: /a?b\r\n')
      .and.to.include('hello');
    expect(text).to.match(/0\r\nx-sum: 42\r\n\r\n$/u);
    expect(await curl(['--head', url])).to.include('203');
    expect(connections).to.equal(1);
  });
});

describe(`An HTTP cluster before ${versionOf(PYTHON, '--version')}'s http.server`, () => {
  it('gets its files, one after the other', async () => {
    const python = new Peer(PYTHON, ['-u', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', 'docs', '0']);
    try {
      const [, port] = await python.output(/port (\d+)/u);
      const cluster = { spec: { protocol: 'HTTP', port: Number(port) }, endpoints: ['127.0.0.1'] };
      const proxy = await startProxy(relay(LISTENER, cluster));
      try {
        const url = `http://127.0.0.1:${proxy.port('in')}`;
        expect(await curl([`${url}/errors.md`, `${url}/protocols/udp.md`])).to.match(/# Errors.*# UDP/su);
        expect(await curl([...STATUS, `${url}/nothing`])).to.equal('404');
      } finally {
        await proxy.close();
      }
    } finally {
      await python.stop();
    }
  });
});
