/** What Gateways and routes come to, served by a proxy: who gets which request, as the specification of Gateway API has it. */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { WebSocketServer } from 'ws';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { backend, gateway, gatewayClass, httpRoute } from '../../../support/gateways.ts';
import { serveGateways } from '../../../support/gateway-proxy.ts';
import { versionOf } from '../../../support/peer.ts';
import type { TestProxy } from '../../../support/proxy.ts';
import { selfSigned } from '../../../support/self-signed.ts';

const run = promisify(execFile);

/** The status and what the backend said, as in `200 one: /path`. */
async function curl(port: number, host: string, path: string, ...more: string[]): Promise<string> {
  const scheme = more.includes('--insecure') ? 'https' : 'http';
  const connect = ['--connect-to', `::127.0.0.1:${port}`];
  const { stdout } = await run('curl', [
    '-s',
    '-w',
    '%{http_code} %{redirect_url}',
    ...connect,
    ...more,
    `${scheme}://${host}${path}`,
  ]);
  const [, body = '', status = ''] = /^([\s\S]*?)(\d{3} \S*)$/u.exec(stdout) ?? [];
  return `${status.trim()} ${body.split('\n')[0] ?? ''}`.trim();
}

const endpoints = (service: string): string => `service/default/${service}/80/tcp`;

function secretOf(name: string, { cert, key }: { cert: string; key: string }): KubeObject {
  const data = { 'tls.crt': Buffer.from(cert).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' }, data } as KubeObject;
}

describe(`a proxy of a Gateway, with ${versionOf('curl', '--version')}`, () => {
  const servers: Server[] = [];
  let proxy: TestProxy | undefined;
  let ports: Record<string, number>;

  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const say =
    (name: string) =>
    ({ url = '', headers }: IncomingMessage, response: ServerResponse): void => {
      response.end(`${name}: ${headers.host ?? ''}${url} ${headers['x-seen'] === undefined ? '' : 'seen'}`.trim());
    };

  beforeEach(async () => {
    ports = {};
    for (const name of ['one', 'two']) ports[endpoints(name)] = await listen(createHttpServer(say(name)));
  });

  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    for (const server of servers.splice(0)) server.close();
  });

  const serve = async (...objects: KubeObject[]): Promise<void> => {
    proxy = await serveGateways([gatewayClass(), backend('one'), backend('two'), ...objects], ports);
  };
  const portOf = (port: string): number => proxy!.port(`gateway/default/web/${port}`);
  const to = (name: string, more: object = {}): object => ({ backendRefs: [{ name, port: 80 }], ...more });
  const at = (path: string, type = 'PathPrefix'): object => ({ path: { type, value: path } });

  it('takes a request for the business of one listener, and of its routes’ hostnames from the most specific on', async () => {
    const http = (name: string, hostname?: string): object => ({
      name,
      port: 80,
      protocol: 'HTTP',
      ...(hostname && { hostname }),
    });
    const route = (name: string, sectionName: string, more: object): KubeObject =>
      httpRoute(name, 'web', { parentRefs: [{ name: 'web', sectionName }], ...more });
    await serve(
      gateway('web', [http('all'), http('wild', '*.example')]),
      route('all', 'all', { rules: [to('one')] }),
      route('wild', 'wild', { rules: [to('one', { matches: [at('/wild')] })] }),
      route('exact', 'wild', { hostnames: ['a.example'], rules: [to('two', { matches: [at('/exact')] })] }),
    );
    const port = portOf('80/tcp');
    const asked = ['other/x', 'A.Example/exact', 'a.example/wild', 'a.example/x', 'b.c.example/exact', 'example/exact'];
    const answers = await Promise.all(
      asked.map((url) => curl(port, url.slice(0, url.indexOf('/')), url.slice(url.indexOf('/')))),
    );
    expect(answers.map((answer) => answer.split(' ').slice(0, 2).join(' '))).to.deep.equal([
      '200 one:',
      '200 two:',
      '200 one:',
      '404',
      '404',
      '200 one:',
    ]);
  });

  it('asks the rules of all routes in the order of their matches', async () => {
    const header = { headers: [{ name: 'version', value: '2' }] };
    await serve(
      gateway('web'),
      httpRoute('a', 'web', { rules: [to('one'), to('one', { matches: [at('/a/b'), at('/a', 'Exact')] })] }),
      httpRoute('b', 'web', {
        rules: [to('two', { matches: [at('/a'), header, { queryParams: [{ name: 'q', value: '1' }] }] })],
      }),
    );
    const port = portOf('80/tcp');
    const who = async (path: string, ...more: string[]): Promise<string> =>
      (await curl(port, 'h', path, ...more)).slice(4, 7);
    expect(
      await Promise.all(['/', '/a', '/a/', '/a/c', '/a/b', '/a/b/c', '/ab', '/?q=1', '/?q=2'].map((path) => who(path))),
    ).to.deep.equal(['one', 'one', 'two', 'two', 'one', 'one', 'one', 'two', 'one']);
    expect([await who('/x', '-H', 'Version: 2'), await who('/a/b', '-H', 'Version: 2')]).to.deep.equal(['two', 'one']);
  });

  it('redirects, rewrites and answers for backends that are not there', async () => {
    const prefix = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' };
    const filter = (type: string, key: string, value: object): object => ({ filters: [{ type, [key]: value }] });
    await serve(
      gateway('web'),
      httpRoute('r', 'web', {
        rules: [
          {
            matches: [at('/moved')],
            ...filter('RequestRedirect', 'requestRedirect', { scheme: 'https', path: prefix, statusCode: 301 }),
          },
          to('one', {
            matches: [at('/old')],
            ...filter('URLRewrite', 'urlRewrite', { hostname: 'in.example', path: prefix }),
          }),
          to('one', {
            matches: [at('/seen')],
            ...filter('RequestHeaderModifier', 'requestHeaderModifier', { add: [{ name: 'X-Seen', value: 'y' }] }),
          }),
          to('gone', { matches: [at('/gone')] }),
          to('one', { matches: [at('/ext')], filters: [{ type: 'ExtensionRef' }] }),
          { matches: [at('/none')] },
        ],
      }),
    );
    const port = portOf('80/tcp');
    expect(await curl(port, 'h', '/moved/x?q')).to.equal('301 https://h/new/x?q');
    expect(await curl(port, 'h', '/old/x')).to.equal('200 one: in.example/new/x');
    expect(await curl(port, 'h', '/seen')).to.equal('200 one: h/seen seen');
    for (const path of ['/gone', '/ext', '/none']) expect((await curl(port, 'h', path)).slice(0, 3)).to.equal('500');
  });

  it('gives the share of a backend that is not there a 500', async () => {
    const refs = [
      { name: 'one', port: 80, weight: 1 },
      { name: 'gone', port: 80, weight: 1 },
      { name: 'two', port: 80, weight: 0 },
    ];
    await serve(gateway('web'), httpRoute('r', 'web', { rules: [{ backendRefs: refs }] }));
    const answers = await Promise.all(Array.from({ length: 60 }, () => curl(portOf('80/tcp'), 'h', '/')));
    const kinds = new Set(answers.map((answer) => answer.slice(0, 7)));
    expect([...kinds].map((kind) => kind.slice(0, 7).trim()).sort()).to.deep.equal(['200 one', '500']);
  });

  it('shows certificates by server name, and finds requests that are for another listener', async () => {
    const tls = (name: string): object => ({ tls: { certificateRefs: [{ name }] } });
    await serve(
      secretOf('a', selfSigned('a.example')),
      secretOf('b', selfSigned('b.example')),
      gateway('web', [
        { name: 'all', port: 443, protocol: 'HTTPS', ...tls('a') },
        { name: 'b', port: 443, protocol: 'HTTPS', hostname: 'b.example', ...tls('b') },
      ]),
      httpRoute('all', 'web', {
        hostnames: ['a.example'],
        parentRefs: [{ name: 'web', sectionName: 'all' }],
        rules: [to('one')],
      }),
      httpRoute('b', 'web', { parentRefs: [{ name: 'web', sectionName: 'b' }], rules: [to('two')] }),
    );
    const port = portOf('443/tcp');
    const ask = async (sni: string, host: string): Promise<string> =>
      (await curl(port, sni, '/', '--insecure', '-H', `Host: ${host}`)).slice(0, 7);
    expect([
      await ask('a.example', 'a.example'),
      await ask('b.example', 'b.example'),
      (await ask('a.example', 'b.example')).slice(0, 3),
      (await ask('b.example', 'a.example')).slice(0, 3),
      (await ask('a.example', 'c.example')).slice(0, 3),
      await ask('127.0.0.1', 'b.example'),
    ]).to.deep.equal(['200 one', '200 two', '421', '421', '404', '200 two']);
    const { stdout } = await run('sh', [
      '-c',
      `openssl s_client -connect 127.0.0.1:${port} -servername b.example </dev/null 2>/dev/null | openssl x509 -noout -subject`,
    ]);
    expect(stdout).to.match(/b\.example/u);
  });

  it('passes TLS on by server name, and asks a backend for the name that a policy says', async () => {
    const pair = selfSigned('a.example');
    ports['service/default/secure/443/tcp'] = await listen(createHttpsServer(pair, say('secure')));
    const service = { ...backend('secure'), spec: { ports: [{ name: 'https', port: 443 }] } };
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'ca', namespace: 'default' },
      data: { 'ca.crt': pair.cert },
    };
    const policy = (hostname: string): KubeObject => ({
      ...httpRoute('p', 'web', {
        targetRefs: [{ group: '', kind: 'Service', name: 'secure' }],
        validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
      }),
      kind: 'BackendTLSPolicy',
    });
    const refs = [{ backendRefs: [{ name: 'secure', port: 443 }] }];
    const objects = [
      service,
      map as KubeObject,
      gateway('web', [
        { name: 'raw', port: 8443, protocol: 'TLS', hostname: '*.example', tls: { mode: 'Passthrough' } },
        { name: 'http', port: 80, protocol: 'HTTP' },
      ]),
      { ...httpRoute('raw', 'web', { hostnames: ['a.example'], rules: refs }), kind: 'TLSRoute' },
      httpRoute('http', 'web', { rules: refs }),
    ];
    await serve(...objects, policy('a.example'));
    expect(await curl(portOf('8443/tcp'), 'a.example', '/x', '--insecure')).to.equal('200 secure: a.example/x');
    const failed = await curl(portOf('8443/tcp'), 'b.example', '/x', '--insecure').catch((error: unknown) =>
      String(error),
    );
    expect(failed).to.match(/Command failed/u);
    expect(await curl(portOf('80/tcp'), 'h', '/x')).to.equal('200 secure: h/x');
    await proxy?.close();
    await serve(...objects, policy('other.example'));
    expect((await curl(portOf('80/tcp'), 'h', '/x')).slice(0, 3)).to.equal('502');
  });

  it('hands datagrams to a backend that speaks WebSocket', async () => {
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(sockets, 'listening');
    sockets.on('connection', (socket) =>
      socket.on('message', (data: Buffer) => socket.send(`heard ${data.toString()}`)),
    );
    const client = createSocket('udp4');
    try {
      ports[endpoints('ws')] = (sockets.address() as AddressInfo).port;
      const service = { ...backend('ws'), spec: { ports: [{ port: 80, appProtocol: 'kubernetes.io/ws' }] } };
      const route = { ...httpRoute('r', 'web', { rules: [to('ws')] }), kind: 'UDPRoute' };
      await serve(service, gateway('web', [{ name: 'udp', port: 5000, protocol: 'UDP' }]), route);
      client.send('hello', portOf('5000/udp'), '127.0.0.1');
      const [answer] = (await once(client, 'message')) as [Buffer];
      expect(answer.toString()).to.equal('heard hello');
    } finally {
      client.close();
      sockets.close();
    }
  });
});
