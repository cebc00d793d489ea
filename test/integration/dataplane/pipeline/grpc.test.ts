import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageVersion, Peer, PYTHON } from '../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';

const run = promisify(execFile);
const FIELDS = ['http_status', 'grpc_status', 'reason'] as const;

/** `/echo.Echo/*` gives back what it is sent; `Stream` gives three answers. */
const SERVER = `
import grpc, concurrent.futures as futures, sys
def echo(request, context):
    context.set_trailing_metadata((('x-trailer', 'yes'), ('x-seen', dict(context.invocation_metadata()).get('x-added', ''))))
    return request
def stream(request, context):
    for n in range(3): yield request + str(n).encode()
handlers = grpc.method_handlers_generic_handler('echo.Echo', {
    'Say': grpc.unary_unary_rpc_method_handler(echo),
    'Stream': grpc.unary_stream_rpc_method_handler(stream)})
server = grpc.server(futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers((handlers,))
print('port', server.add_insecure_port('127.0.0.1:0'), flush=True)
server.start()
sys.stdin.read()
`;

const CLIENT = `
import grpc, sys, json
channel = grpc.insecure_channel('127.0.0.1:' + sys.argv[1])
def say(method, metadata=()):
    try:
        answer, call = channel.unary_unary(method).with_call(b'hello', metadata=metadata, timeout=8)
        return [answer.decode(), dict(call.trailing_metadata()), dict(call.initial_metadata())]
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
print(json.dumps({
    'said': say('/echo.Echo/Say', (('x-who', 'a'),)),
    'answered': say('/echo.Echo/Say', (('x-who', 'b'),)),
    'streamed': [part.decode() for part in channel.unary_stream('/echo.Echo/Stream')(b's', timeout=8)],
    'late': say('/echo.Echo/Late'),
    'unknown': say('/echo.Other/Say'),
    'missing': say('/echo.Echo/Nope'),
}))
`;

interface Outcome {
  readonly said: [string, Record<string, string>, Record<string, string>];
  readonly answered: [string, string];
  readonly streamed: string[];
  readonly late: [string, string];
  readonly unknown: [string, string];
  readonly missing: [string, string];
}

describe(`gRPC by routes, with ${packageVersion('grpcio')}`, () => {
  let server: Peer;
  let proxy: TestProxy;
  let directory: string;
  let log: string;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-grpc-'));
    log = join(directory, 'access.log');
    server = new Peer(PYTHON, ['-c', SERVER]);
    const [, port = ''] = await server.output(/^port (\d+)$/mu);
    const path = (op: string, value: string): object => ({ op, path: '/HTTP/url/path', value });
    const route = {
      destination: { spec: { protocol: 'HTTP', version: '2' }, endpoints: [`127.0.0.1:${port}`] },
      response_headers: { set: { 'x-by': 'route' } },
    };
    const fields = { 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'nobody is there' };
    proxy = await startProxy({
      admin: { access_log_path: log },
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
          rules: [
            {
              match: {
                op: 'and',
                apply: [path('prefix', '/echo.Echo'), { op: 'test', path: '/HTTP/headers/x-who', value: 'b' }],
              },
              action: { respond: { status: 200, headers: fields } },
            },
            {
              match: path('test', '/echo.Echo/Late'),
              action: { route: { ...route, fault: { abort: { status: 503 } } } },
            },
            {
              match: path('prefix', '/echo.Echo'),
              action: { rewrite: [{ path: '/HTTP/headers/x-added', append: 'by rule' }], route },
            },
          ],
        },
      ],
    });
  });
  afterEach(async () => {
    await proxy.close();
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  it('passes, with trailers and changed headers, or is answered in its own words', async () => {
    const { stdout } = await run(PYTHON, ['-c', CLIENT, String(proxy.port('in'))], { timeout: 20_000 });
    const { said, answered, streamed, late, unknown, missing } = JSON.parse(stdout) as Outcome;
    expect(said[0]).to.equal('hello');
    expect(said[1]).to.include({ 'x-trailer': 'yes', 'x-seen': 'by rule' });
    expect(said[2]).to.include({ 'x-by': 'route' });
    expect(answered).to.deep.equal(['UNAVAILABLE', 'nobody is there']);
    expect(streamed).to.deep.equal(['s0', 's1', 's2']);
    expect(late[0]).to.equal('UNAVAILABLE'); // of 503 (gRPC's HTTP-to-status mapping)
    expect(missing).to.deep.equal(['UNIMPLEMENTED', 'Method not found!']); // trailers alone, from the server
    expect(unknown[0]).to.equal('UNIMPLEMENTED'); // of 404

    const told = await until('a line of each call', () => {
      const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
      return lines.length === 6 && lines.map((line) => JSON.parse(line) as Record<string, string | number | undefined>);
    });
    expect(told.map((each) => FIELDS.map((field) => each[field]).join(' '))).to.have.members([
      '200 0 OK',
      '200 14 RESPONDED',
      '200 0 OK',
      '503  FAULT_INJECTED',
      '404  NO_ROUTE',
      '200 12 OK',
    ]);
    const { text } = await proxy.proxy.metrics();
    const counted = [
      ...text.matchAll(/^l7mp_listener_(http|grpc)_responses_total\{listener="in",\w+="(\w+)"\} ([1-9])$/gmu),
    ];
    expect(counted.map(([, ...each]) => each.join(' '))).to.have.members([
      'http 2xx 4',
      'http 4xx 1',
      'http 5xx 1',
      'grpc OK 2',
      'grpc UNIMPLEMENTED 1',
      'grpc UNAVAILABLE 1',
    ]);
  });
});
