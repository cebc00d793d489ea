/** Traces on the wire: real collector, real clients, whole proxies as processes. */
import { credentials, Client, Metadata } from '@grpc/grpc-js';
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type ProxyProcess, runCommand } from '../../../support/command.ts';
import type { OtelCollector, Span } from '../../../support/otel-collector.ts';
import { Peer, PYTHON } from '../../../support/peer.ts';
import { relay } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';
import { Lab } from './lab.ts';

const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;

/** Everything is recorded. */
const ALL = { OTEL_TRACES_SAMPLER: 'parentbased_always_on' };

describe('traces by OTLP', () => {
  let lab: Lab;
  let collector: OtelCollector;

  beforeEach(async () => {
    lab = await Lab.start();
    ({ collector } = lab);
  });
  afterEach(() => lab.end());

  const start = (name: string, config: object, env: Readonly<Record<string, string>> = {}): Promise<ProxyProcess> =>
    lab.proxy(config, { OTEL_SERVICE_NAME: name, ...ALL, ...env });

  function socat(...args: string[]): Peer {
    const peer = new Peer('socat', args);
    lab.atEnd(() => peer.stop());
    return peer;
  }

  async function echoAt(name: string): Promise<string> {
    const filename = join(lab.directory, name);
    socat(`UNIX-LISTEN:${filename},fork`, 'PIPE');
    await until('the socket', () => runCommand('test', ['-S', filename]).then(({ code }) => code === 0));
    return filename;
  }

  /** An HTTP server that answers with the headers that it was sent. */
  async function tellerPort(): Promise<number> {
    const code = `
import http.server
class Teller(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    body = str(self.headers).encode()
    self.send_response(200)
    self.send_header('content-length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)
  do_POST = do_GET
server = http.server.HTTPServer(('127.0.0.1', 0), Teller)
print('port', server.server_port, flush=True)
server.serve_forever()`;
    const peer = new Peer('python3', ['-u', '-c', code]);
    lab.atEnd(() => peer.stop());
    const [, port] = await peer.output(/port (\d+)/u);
    return Number(port);
  }

  async function curl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runCommand('curl', ['-sS', '--max-time', '10', ...args]);
    expect(code, stderr).to.equal(0);
    return stdout;
  }

  const spansOf = (count: number): Promise<Span[]> =>
    until(`${count} spans`, () => collector.spans.length >= count && [...collector.spans]);

  const by = (spans: readonly Span[], service: string, kind: number): Span => {
    const found = spans.filter((span) => span.resource['service.name'] === service && span.kind === kind);
    expect(found, `${service}, kind ${kind}`).to.have.length(1);
    return found[0]!;
  };

  it('one request through HTTP, WebSocket and a UNIX socket, across two proxies, is one trace', async () => {
    const filename = await echoAt('echo');
    const second = await start(
      'second',
      relay(
        { protocol: 'WebSocket', port: 0 },
        { spec: { protocol: 'UnixDomainSocket' }, endpoints: [{ spec: { filename } }] },
      ),
    );
    const first = await start(
      'first',
      relay(
        { protocol: 'HTTP', port: 0 },
        { spec: { protocol: 'WebSocket', port: second.port() }, endpoints: ['127.0.0.1'] },
      ),
    );
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const args = ['-H', `traceparent: ${parent}`, '-H', 'tracestate: vendor=one', '-d', 'hello'];
    expect(await curl(...args, `http://127.0.0.1:${first.port()}/path?secret=1`)).to.equal('hello');

    const spans = await spansOf(4);
    expect(new Set(spans.map(({ traceId }) => traceId))).to.deep.equal(new Set(['0af7651916cd43dd8448eb211c80319c']));
    const [server1, client1] = [by(spans, 'first', SERVER), by(spans, 'first', CLIENT)];
    const [server2, client2] = [by(spans, 'second', SERVER), by(spans, 'second', CLIENT)];
    expect(server1.parentSpanId).to.equal('b7ad6b7169203331');
    expect(client1.parentSpanId).to.equal(server1.spanId);
    expect(server2.parentSpanId).to.equal(client1.spanId);
    expect(client2.parentSpanId).to.equal(server2.spanId);
    expect(server1.name).to.match(/^POST /u);
    expect(server1.attributes).to.include({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'url.path': '/path',
      'network.transport': 'tcp',
      'client.address': '127.0.0.1',
      'l7mp.listener': 'in',
      'l7mp.cluster': 'out',
      'l7mp.ingress.bytes': 5,
      'l7mp.egress.bytes': 5,
      'l7mp.reason': 'OK',
    });
    expect(JSON.stringify(server1.attributes)).not.to.include('secret');
    expect(server1.events.map(({ name }) => name)).to.deep.equal(['accept', 'match', 'connect', 'close']);
    expect(server1.traceState).to.equal('vendor=one');
    expect(server2.traceState).to.equal('vendor=one');
    expect(client1.attributes).to.include({ 'server.address': '127.0.0.1', 'server.port': second.port() });
    for (const span of spans) {
      expect(span.status).to.not.equal(ERROR);
      expect(Number(span.end - span.start)).to.be.within(1, 10e9);
    }
  });

  describe('HTTP/2 carries the trace', () => {
    const TRACE = '0af7651916cd43dd8448eb211c80319c';
    const PARENT = 'b7ad6b7169203331';
    const CONTEXT = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'vendor=one', baggage: 'user=alice' };

    const startHttp2 = (port: number): Promise<ProxyProcess> =>
      start(
        'one',
        relay(
          { protocol: 'HTTP', port: 0 },
          { spec: { protocol: 'HTTP', port, version: '2' }, endpoints: ['127.0.0.1'] },
        ),
      );

    /** The endpoint was told of the attempt, which is a part of the session, which is a part of what its client does. */
    async function isOneTrace(seen: Readonly<Record<string, unknown>>, path: string): Promise<void> {
      const spans = await spansOf(2);
      const [session, attempt] = [by(spans, 'one', SERVER), by(spans, 'one', CLIENT)];
      expect(spans.map(({ traceId }) => traceId)).to.deep.equal([TRACE, TRACE]);
      expect(session.parentSpanId).to.equal(PARENT);
      expect(attempt.parentSpanId).to.equal(session.spanId);
      expect(seen).to.include({ ...CONTEXT, traceparent: `00-${TRACE}-${attempt.spanId}-01` });
      expect(session.attributes).to.include({
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'network.protocol.version': '2',
        'url.path': path,
        'l7mp.reason': 'OK',
      });
      expect(session.traceState).to.equal('vendor=one');
    }

    it('of an HTTP request', async () => {
      const server = createServer((request, response) => response.end(JSON.stringify(request.headers)));
      server.listen(0, '127.0.0.1');
      lab.atEnd(() => new Promise((resolve) => server.close(resolve)));
      await once(server, 'listening');
      const proxy = await startHttp2((server.address() as AddressInfo).port);
      const headers = Object.entries(CONTEXT).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
      const url = `http://127.0.0.1:${proxy.port()}/path`;
      const seen = await curl('--http2-prior-knowledge', ...headers, '-d', 'hello', url);
      await isOneTrace(JSON.parse(seen) as Record<string, unknown>, '/path');
    });

    it('of a gRPC call', async () => {
      const code = `
import grpc, json
from concurrent import futures
class Teller(grpc.GenericRpcHandler):
  def service(self, details):
    return grpc.unary_unary_rpc_method_handler(lambda request, context: json.dumps(dict(details.invocation_metadata)).encode())
server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Teller()])
print('port', server.add_insecure_port('127.0.0.1:0'), flush=True)
server.start()
server.wait_for_termination()`;
      const peer = new Peer(PYTHON, ['-c', code]);
      lab.atEnd(() => peer.stop());
      const [, port] = await peer.output(/port (\d+)/u);
      const proxy = await startHttp2(Number(port));
      const client = new Client(`127.0.0.1:${proxy.port()}`, credentials.createInsecure());
      lab.atEnd(() => client.close());
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(CONTEXT)) metadata.set(name, value);
      const plain = (bytes: Buffer): Buffer => bytes;
      const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
        const done = (error: Error | null, value?: Buffer): void => (error ? reject(error) : resolve(value));
        client.makeUnaryRequest('/test.Teller/Tell', plain, plain, Buffer.from('hello'), metadata, done);
      });
      await isOneTrace(JSON.parse(String(answer)) as Record<string, unknown>, '/test.Teller/Tell');
    });
  });

  it('JSONSocket carries the trace over plain sockets, to headers again', async () => {
    const port = await tellerPort();
    const second = await start(
      'second',
      relay(
        { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: 0 } },
        { spec: { protocol: 'HTTP', port }, endpoints: ['127.0.0.1'] },
      ),
    );
    const first = await start(
      'first',
      relay(
        { protocol: 'HTTP', port: 0 },
        {
          spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: second.port() } },
          endpoints: ['127.0.0.1'],
        },
      ),
    );
    await curl(`http://127.0.0.1:${first.port()}/`);
    const spans = await spansOf(4);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).to.equal(1);
    expect(by(spans, 'second', SERVER).parentSpanId).to.equal(by(spans, 'first', CLIENT).spanId);
    expect(by(spans, 'second', CLIENT).attributes['http.response.status_code']).to.equal(200);
  });

  it('a retry is a span of its own, and failures are errors', async () => {
    const filename = await echoAt('echo');
    const nobody = join(lab.directory, 'nobody');
    const { port } = await start('one', {
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'TCP', port: 0 },
          rules: [
            { action: { route: { destination: 'out', retry: { retry_on: 'connect-failure', num_retries: 1 } } } },
          ],
        },
      ],
      clusters: [
        {
          name: 'out',
          spec: { protocol: 'UnixDomainSocket' },
          endpoints: [
            { name: 'bad', spec: { filename: nobody } },
            { name: 'good', spec: { filename } },
          ],
        },
      ],
    }).then((proxy) => ({ port: proxy.port() }));
    const { stdout } = await runCommand('socat', ['-t', '5', '-', `TCP:127.0.0.1:${port}`], 'hi');
    expect(stdout).to.equal('hi');
    const spans = await spansOf(3);
    const attempts = spans.filter(({ kind }) => kind === CLIENT);
    const [failed] = attempts.filter(({ status }) => status === ERROR);
    expect(attempts).to.have.length(2);
    expect(failed?.attributes).to.include({ 'l7mp.endpoint': 'bad', 'error.type': 'NOT_FOUND' });
    const session = spans.find(({ spanId }) => spanId === failed?.parentSpanId);
    expect(session?.name).to.equal('in');
    expect(session?.events.map(({ name }) => name)).to.include('retry');
    expect(session?.status).to.not.equal(ERROR);
    expect(session?.attributes).to.include({ 'l7mp.endpoint': 'good', 'l7mp.retries': 1 });
  });

  it('what could not be connected is an error, with its reason', async () => {
    const proxy = await start(
      'one',
      relay({ protocol: 'HTTP', port: 0 }, { spec: { protocol: 'HTTP', port: 1 }, endpoints: ['127.0.0.1'] }),
    );
    expect(await curl('-o', '/dev/null', '-w', '%{http_code}', `http://127.0.0.1:${proxy.port()}/`)).to.equal('502');
    const spans = await spansOf(2);
    for (const span of spans) {
      expect(span.status).to.equal(ERROR);
      expect(span.attributes['error.type']).to.equal('CONNECT_REFUSED');
    }
    expect(by(spans, 'one', SERVER).attributes['http.response.status_code']).to.equal(502);
    expect(by(spans, 'one', CLIENT).attributes['server.port']).to.equal(1);
  });

  describe('a handshake of WebSocket', () => {
    const handshake = (port: number): Promise<string> =>
      curl(
        ...['-o', '/dev/null', '-w', '%{http_code}', '-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket'],
        ...['-H', 'Sec-WebSocket-Version: 13', '-H', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
        `http://127.0.0.1:${port}/`,
      );

    it('has the status that its client is told, where nobody is there', async () => {
      const { port } = await start(
        'one',
        relay({ protocol: 'WebSocket', port: 0 }, { spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] }),
      ).then((proxy) => ({ port: proxy.port() }));
      expect(await handshake(port)).to.equal('502');
      const { status, attributes } = by(await spansOf(2), 'one', SERVER);
      expect(status).to.equal(ERROR);
      expect(attributes).to.include({ 'http.response.status_code': 502, 'error.type': 'CONNECT_REFUSED' });
    });

    it('has the status that its endpoint has refused it with', async () => {
      const server = createHttpServer().listen(0, '127.0.0.1');
      server.on('upgrade', (_request, socket) => {
        socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      });
      await once(server, 'listening');
      lab.atEnd(async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      });
      const { port } = server.address() as AddressInfo;
      const proxy = await start(
        'one',
        relay({ protocol: 'WebSocket', port: 0 }, { spec: { protocol: 'WebSocket', port }, endpoints: ['127.0.0.1'] }),
      );
      expect(await handshake(proxy.port())).to.equal('503');
      for (const { status, attributes } of await spansOf(2)) {
        expect(status).to.equal(ERROR);
        expect(attributes).to.include({ 'http.response.status_code': 503, 'error.type': 'CONNECT_FAILED' });
      }
    });
  });

  it('an attempt has the status of gRPC that its call ended with', async () => {
    const server = createServer();
    server.on('stream', (stream, { ':path': path }) => {
      const isWhole = path === '/whole/Call';
      const head = { ':status': 200, 'content-type': 'application/grpc' };
      stream.resume();
      if (isWhole) {
        stream.respond({ ...head, 'grpc-status': '5' }, { endStream: true });
        return;
      }
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '14' }));
      stream.respond(head, { waitForTrailers: true });
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.atEnd(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const proxy = await start(
      'one',
      relay(
        { protocol: 'HTTP', port: 0 },
        { spec: { protocol: 'HTTP', port, version: '2' }, endpoints: ['127.0.0.1'] },
      ),
    );
    const client = new Client(`127.0.0.1:${proxy.port()}`, credentials.createInsecure());
    lab.atEnd(() => client.close());
    const plain = (bytes: Buffer): Buffer => bytes;
    const call = (path: string): Promise<number | undefined> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(path, plain, plain, Buffer.from('x'), (error) => resolve(error?.code));
      });
    expect([await call('/late/Call'), await call('/whole/Call')]).to.deep.equal([14, 5]);
    const attempts = (await spansOf(4)).filter(({ kind }) => kind === CLIENT);
    expect(attempts.map(({ attributes }) => attributes['rpc.response.status_code'])).to.have.members([
      'UNAVAILABLE',
      'NOT_FOUND',
    ]);
    for (const { status, attributes } of attempts) {
      expect(status).to.equal(ERROR);
      expect(attributes['error.type']).to.equal(attributes['rpc.response.status_code']);
    }
  });

  describe('sampling', () => {
    /** What the endpoint is sent. */
    async function asking(env: Record<string, string>, ...args: string[]): Promise<string> {
      const port = await tellerPort();
      const proxy = await start(
        'one',
        relay({ protocol: 'HTTP', port: 0 }, { spec: { protocol: 'HTTP', port }, endpoints: ['127.0.0.1'] }),
        env,
      );
      return curl(...args, `http://127.0.0.1:${proxy.port()}/`);
    }

    const parent = (flags: string): string[] => [
      '-H',
      `traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`,
    ];

    it('what the caller does not record is passed on as it came, and not recorded', async () => {
      const seen = await asking({}, ...parent('00'));
      expect(seen).to.include('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00');
      expect(collector.spans).to.deep.equal([]);
    });

    it('what begins here and is not recorded tells the endpoint so', async () => {
      const seen = await asking({ OTEL_TRACES_SAMPLER: 'always_off' });
      expect(seen).to.match(/^traceparent: 00-[\da-f]{32}-[\da-f]{16}-00\r?$/mu);
    });

    it('a recorded one tells the span of the attempt, and baggage goes along', async () => {
      const seen = await asking({}, ...parent('01'), '-H', 'baggage: user=alice');
      const [attempt] = (await spansOf(2)).filter(({ kind }) => kind === CLIENT);
      expect(seen).to.include(`traceparent: 00-0af7651916cd43dd8448eb211c80319c-${attempt?.spanId}-01`);
      expect(seen).to.include('baggage: user=alice');
    });

    it('without exporters all passes as it came', async () => {
      const seen = await asking(
        { OTEL_SDK_DISABLED: 'true' },
        ...['-H', 'traceparent: not one', '-H', 'tracestate: a=b', '-H', 'baggage: c=d'],
      );
      expect(seen).to.include('traceparent: not one').and.to.include('tracestate: a=b').and.to.include('baggage: c=d');
    });
  });
});
