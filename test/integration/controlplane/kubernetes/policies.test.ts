/** Policies of routes, Gateways and Services on a real API server: what foreign clients notice of them, and what statuses say. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCommand } from '../../../support/command.ts';
import type { LoggingProcess } from '../../../support/control-plane-process.ts';
import { freePort } from '../../../support/free-port.ts';
import { CLASS, KubeControlPlane, machineAddress } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

const NOWHERE = 1; // nobody listens there
const clients = `${versionOf('curl', '--version')} and ${versionOf('socat', '-V')}`;

describe(`kubernetes: policies, with ${clients}`, function () {
  this.timeout(120_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-policies-'));
  let rig: KubeControlPlane;
  let proxy: LoggingProcess;
  const servers: (Server | Socket)[] = [];
  /** What the mirror heard. */
  const copies: string[] = [];
  const port = { http: 0, tcp: 0, udp: 0 };

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
    for (const name of ['http', 'tcp', 'udp'] as const) port[name] = await freePort();
    const listeners = [
      { name: 'http', port: port.http, protocol: 'HTTP' },
      { name: 'tcp', port: port.tcp, protocol: 'TCP' },
      { name: 'udp', port: port.udp, protocol: 'UDP' },
    ];
    await rig.apply('Gateway', 'edge', { spec: { gatewayClassName: CLASS, listeners } });
    await service('web', 'TCP', await Promise.all(['a', 'b', 'c'].map((name) => rig.server(name))));
    await service('raw', 'TCP', [await echo(), NOWHERE]);
    await service('game', 'UDP', await Promise.all(['a', 'b', 'c'].map((name) => answering(name))));
    await service('copy', 'UDP', [await answering('copy', copies)]);
    const cart = { name: 'cart', matches: [{ path: { type: 'PathPrefix', value: '/cart' } }] };
    const backends = (name: string): object => ({ backendRefs: [{ name, port: 80 }] });
    await route('HTTPRoute', 'http', [{ ...cart, ...backends('web') }, backends('web')]);
    await route('TCPRoute', 'tcp', [backends('raw')]);
    await route('UDPRoute', 'udp', [backends('game')]);
    proxy = rig.proxyOf('edge', 'p1');
    await until('all to be served', async () => (await curl()).status === 200 && (await datagram()) !== '');
  });
  after(async () => {
    await (proxy as LoggingProcess | undefined)?.stop();
    for (const server of servers) server.close();
    await (rig as KubeControlPlane | undefined)?.stop();
    rmSync(directory, { recursive: true });
  });

  /** A Service with port 80, and an endpoint for each port of this machine. */
  async function service(name: string, protocol: 'TCP' | 'UDP', ports: readonly number[]): Promise<void> {
    await rig.apply('Service', name, { spec: { ports: [{ name: 'main', port: 80, protocol }] } });
    for (const at of ports) {
      const endpoints = [{ addresses: [machineAddress()], conditions: { ready: true } }];
      const slice = { addressType: 'IPv4', endpoints, ports: [{ name: 'main', port: at, protocol }] };
      const labels = { 'kubernetes.io/service-name': name };
      await rig.apply('EndpointSlice', `${name}-${at}`, slice, { labels });
    }
  }

  async function route(kind: 'HTTPRoute' | 'TCPRoute' | 'UDPRoute', name: string, rules: object[]): Promise<void> {
    await rig.apply(kind, name, { spec: { parentRefs: [{ name: 'edge', sectionName: name }], rules } });
  }

  async function echo(): Promise<number> {
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    servers.push(server);
    await once(server.listen(0), 'listening');
    return (server.address() as { port: number }).port;
  }

  async function answering(name: string, heard: string[] = []): Promise<number> {
    const socket = createSocket('udp4');
    servers.push(socket);
    socket.on('message', (data, { port: to, address }) => {
      heard.push(data.toString());
      socket.send(name, to, address);
    });
    socket.bind(0);
    await once(socket, 'listening');
    return socket.address().port;
  }

  /** Has a policy in effect while a test goes on. `target` as in `HTTPRoute http/cart`. */
  async function under(target: string, spec: object, test: () => Promise<void>): Promise<void> {
    const [kind, where = ''] = target.split(' ');
    const [name, sectionName] = where.split('/');
    const targetRefs = [{ kind, name, ...(sectionName && { sectionName }) }];
    await rig.apply('TrafficPolicy', 'tested', { spec: { targetRefs, ...spec } });
    try {
      await rig.untilTold('TrafficPolicy', 'tested', 'Accepted', { status: 'True', reason: 'Accepted' });
      await test();
    } finally {
      await rig.remove('TrafficPolicy', 'tested');
    }
  }

  async function curl(path = '/', ...more: string[]): Promise<{ status: number; body: string; seconds: number }> {
    const url = `http://127.0.0.1:${port.http}${path}`;
    const format = '\n%{http_code} %{time_total}';
    const { stdout } = await runCommand('curl', ['-s', '-m', '5', '-w', format, ...more, url]);
    const [body = '', result = ''] = stdout.split('\n').slice(-2);
    const [status, seconds] = result.split(' ').map(Number);
    return { status: status ?? 0, body, seconds: seconds ?? 0 };
  }

  /** What is answered to one datagram. */
  async function datagram(text = 'hello'): Promise<string> {
    return (await runCommand('socat', ['-t', '0.3', '-', `UDP:127.0.0.1:${port.udp}`], text)).stdout;
  }

  /** What is echoed to a connection. */
  async function connection(text = 'hello'): Promise<string> {
    return (await runCommand('socat', ['-t', '3', '-', `TCP:127.0.0.1:${port.tcp}`], text)).stdout;
  }

  /** A connection that stays, once something came back over it; false where it is refused. */
  async function hold(): Promise<ChildProcessWithoutNullStreams | false> {
    const holder = spawn('socat', ['-', `TCP:127.0.0.1:${port.tcp}`]);
    holder.stdin.write('held');
    const isHeld = await Promise.race([
      once(holder.stdout, 'data').then(() => true),
      once(holder, 'exit').then(() => false),
    ]);
    return isHeld && holder;
  }

  const times = <T>(count: number, ask: () => Promise<T>): Promise<T[]> =>
    Array.from({ length: count }).reduce<Promise<T[]>>(
      async (before) => [...(await before), await ask()],
      Promise.resolve([]),
    );

  it('keep sessions of UDP together by a key of their metadata', async () => {
    expect(new Set(await times(6, () => datagram())))
      .to.have.property('size')
      .above(1);
    await under('UDPRoute udp', { loadbalancer: { policy: 'Maglev', key: '/IP/src_addr' } }, async () => {
      await until('one server for all', async () => new Set(await times(6, () => datagram())).size === 1);
    });
  });

  it('lose and copy datagrams', async () => {
    const mirrors = [{ backendRef: { name: 'copy', port: 80 } }];
    await under('UDPRoute udp', { fault: { drop: {} }, mirrors }, async () => {
      await until('no answer', async () => (await datagram()) === '');
    });
    await under('Gateway edge/udp', { mirrors }, async () => {
      await rig.untilTold('TrafficPolicy', 'tested', 'ResolvedRefs', { status: 'True' });
      await until('a copy', async () => (await datagram('copied')) !== '' && copies.includes('copied'));
    });
  });

  it('try again elsewhere where an endpoint of a TCPRoute is not there', async () => {
    await until('a failure', async () => (await connection()) === '');
    await under('TCPRoute tcp', { retry: { retry_on: 'connect-failure' } }, async () => {
      await until('no failure', async () => (await times(4, () => connection())).every((text) => text === 'hello'));
      expect(await times(6, () => connection())).to.deep.equal(Array.from({ length: 6 }, () => 'hello'));
    });
  });

  it('limit the connections of a TCPRoute', async () => {
    const retry = { retry_on: 'connect-failure' };
    await under('TCPRoute tcp', { retry, limits: { max_sessions: 1 } }, async () => {
      // One that began before the policy was in effect is not counted.
      const holder = await until('a connection beside which there is none', async () => {
        const held = await hold();
        // Once might be the endpoint that is not there.
        if (held && (await times(3, () => connection())).every((text) => text === '')) return held;
        if (held) held.kill();
        return false;
      });
      try {
        holder.stdin.end();
        await once(holder, 'exit');
        await until('the next connection', async () => (await connection()) === 'hello');
      } finally {
        holder.kill();
      }
    });
  });

  it('limit, delay and end requests of an HTTPRoute, or of one of its rules', async () => {
    await under('HTTPRoute http/cart', { limits: { sessions_per_second: 1 } }, async () => {
      await until('a refusal', async () => (await curl('/cart')).status === 429);
      expect((await times(5, () => curl('/'))).map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 200]);
    });
    await under('HTTPRoute http', { fault: { abort: { status: 418 }, delay: { duration: 300 } } }, async () => {
      await until('what was asked for', async () => (await curl()).status === 418);
      expect((await curl('/cart')).seconds).to.be.least(0.3);
    });
    await until('the end of it', async () => (await curl()).status === 200);
  });

  const jar = (name: string): string[] => ['-c', join(directory, name), '-b', join(directory, name)];
  const bodies = async (count: number, ...more: string[]): Promise<Set<string>> =>
    new Set((await times(count, () => curl(...(more as [string])))).map(({ body }) => body));

  it('bring clients of a rule back by a cookie, which nobody can make himself', async () => {
    const cart = {
      ...{ name: 'cart', matches: [{ path: { type: 'PathPrefix', value: '/cart' } }] },
      sessionPersistence: { sessionName: 'cart', absoluteTimeout: '1h', cookieConfig: { lifetimeType: 'Permanent' } },
      backendRefs: [{ name: 'web', port: 80 }],
    };
    await route('HTTPRoute', 'http', [cart, { backendRefs: [{ name: 'web', port: 80 }] }]);
    const fields = async (...more: string[]): Promise<string> => {
      const { stdout } = await runCommand('curl', ['-si', ...more, `http://127.0.0.1:${port.http}/cart`]);
      return /^set-cookie: (.*?)\r?$/imu.exec(stdout)?.[1] ?? '';
    };
    await until('a cookie', async () => (await fields()) !== '');
    await rig.untilTold('HTTPRoute', 'http', 'Accepted', { status: 'True' });
    expect(await fields()).to.match(/^cart=[\w-]{60,}; Path=\/cart; Max-Age=3600; HttpOnly; SameSite=Strict$/u);
    expect(await bodies(9, '/cart'))
      .to.have.property('size')
      .above(1);
    expect(await bodies(9, '/cart', ...jar('one'))).to.have.property('size', 1);
    // Elsewhere it is not shown, and says nothing.
    expect(await bodies(9, '/', ...jar('one')))
      .to.have.property('size')
      .above(1);
    const forged = Buffer.from(`${machineAddress()}:22`).toString('base64url').padEnd(80, 'A');
    expect(await fields('-H', `Cookie: cart=${forged}`)).not.to.equal('');
  });

  it('bring clients of a Service back by a cookie for each rule', async () => {
    await route('HTTPRoute', 'http', [{ backendRefs: [{ name: 'web', port: 80 }] }]);
    await under('Service web', { persistence: { type: 'cookie', name: 'web' } }, async () => {
      await until('clients to come back', async () => {
        rmSync(join(directory, 'two'), { force: true });
        return (await bodies(9, '/', ...jar('two'))).size === 1;
      });
    });
  });

  it('say why they are not in effect', async () => {
    await rig.apply('TrafficPolicy', 'wrong', {
      spec: {
        targetRefs: [{ kind: 'UDPRoute', name: 'udp' }],
        retry: { statuses: [503] },
      },
    });
    const told = await rig.untilTold('TrafficPolicy', 'wrong', 'Accepted', { status: 'False', reason: 'Invalid' });
    expect(told.message).to.match(/^spec\.retry\.statuses: expected nothing where a UDPRoute is the target/u);
    await rig.remove('TrafficPolicy', 'wrong');
    const targetRefs = [{ kind: 'Gateway', name: 'edge', sectionName: 'udp' }];
    for (const [name, policy, reason] of [
      ['first', 'never', 'Accepted'],
      ['second', 'always', 'Conflicted'],
    ] as const) {
      await rig.apply('OffloadPolicy', name, { spec: { targetRefs, offload: { policy } } });
      await rig.untilTold('OffloadPolicy', name, 'Accepted', { reason });
    }
    await rig.remove('OffloadPolicy', 'first');
    await rig.untilTold('OffloadPolicy', 'second', 'Accepted', { reason: 'Accepted' });
    await rig.untilTold('Gateway', 'edge', 'Programmed', { status: 'True', message: '1 of 1 proxies' });
    await rig.remove('OffloadPolicy', 'second');
  });

  it('have logged no fault', () => {
    const faults = rig.controlPlane.process.log().filter(({ level }) => level === 'error');
    expect(faults).to.deep.equal([]);
  });
});
