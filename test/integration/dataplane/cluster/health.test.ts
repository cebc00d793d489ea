import { expect } from 'chai';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HealthCheck } from '../../../../gen/l7mp/config/v1/types.ts';
import { testCluster } from '../../../support/cluster.ts';
import { relay, startProxy } from '../../../support/proxy.ts';
import { canned, greeter, httpServer, type Peer, udpServer, unixServer, versionOf } from './peers.ts';
import { until } from '../../../support/until.ts';

const CHECK: HealthCheck = {
  type: 'tcp',
  interval: 30,
  timeout: 1000,
  healthy_threshold: 1,
  unhealthy_threshold: 2,
  port: 0,
  path: '/',
  expected_statuses: [],
};

describe(`health checks of Python ${versionOf('python3', '--version')} and socat ${versionOf('socat', '-V')}`, () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'l7mp-health-'));
    cleanups.push(() => rm(directory, { recursive: true }));
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function run(peer: Peer): Promise<number> {
    cleanups.push(() => peer.kill());
    return Number(await peer.start());
  }

  /** Follows one endpoint. */
  function watch(check: Partial<HealthCheck>, address: string, port: number): (state: string) => Promise<unknown> {
    const { cluster } = testCluster({
      health_check: { ...CHECK, ...check },
      endpoints: [{ name: 'e', spec: { address, port }, weight: 1 }],
    });
    cluster.start();
    cleanups.push(() => cluster.close());
    return (state) => until(`the endpoint to be ${state}`, () => cluster.view()[0]?.health === state);
  }

  it('tcp: follows a server that is killed and revived', async () => {
    const first = greeter('a');
    const port = await run(first);
    const becomes = watch({}, '127.0.0.1', port);
    await becomes('healthy');
    await first.kill();
    await becomes('unhealthy');
    await run(greeter('a', port));
    await becomes('healthy');
  });

  it('tcp: asks the port that it is told to ask', async () => {
    const becomes = watch({ port: await run(greeter('a')), unhealthy_threshold: 1 }, '127.0.0.1', 1);
    await becomes('healthy');
  });

  it('tcp: follows names, and IPv6', async () => {
    const port = await run(greeter('a'));
    await watch({}, 'localhost', port)('healthy');
    await watch({}, '::1', port)('unhealthy');
  });

  for (const type of ['STREAM', 'DGRAM', 'SEQPACKET']) {
    for (const abstract of [false, true]) {
      it(`tcp: follows a UNIX ${type} socket, ${abstract ? 'abstract' : 'with a path'}`, async () => {
        const path = abstract ? `@l7mp-health-${process.pid}-${type}` : join(directory, 's');
        const becomes = watch({}, path, 0);
        await becomes('unhealthy');
        const server = unixServer(type, path);
        await run(server);
        await becomes('healthy');
        await server.kill();
        await becomes('unhealthy');
      });
    }
  }

  it('http: follows the status of a path, and a server that is killed and revived', async () => {
    const first = httpServer(directory);
    const port = await run(first);
    const becomes = watch({ type: 'http', path: '/healthz' }, '127.0.0.1', port);
    await becomes('unhealthy');
    await writeFile(join(directory, 'healthz'), 'ok');
    await becomes('healthy');
    await first.kill();
    await becomes('unhealthy');
    await run(httpServer(directory, port));
    await becomes('healthy');
    await rm(join(directory, 'healthz'));
    await becomes('unhealthy');
  });

  it('http: takes the statuses that are configured, and no others', async () => {
    const port = await run(httpServer(directory));
    await watch({ type: 'http', path: '/none', expected_statuses: [204, 404] }, '127.0.0.1', port)('healthy');
    await watch({ type: 'http', path: '/', expected_statuses: [204, 404] }, '127.0.0.1', port)('unhealthy');
  });

  for (const [what, answer] of Object.entries({
    'something that is not HTTP': 'SSH-2.0-OpenSSH_9.6\r\n',
    'a line without an end': 'x'.repeat(100_000),
    nothing: '',
    'half a status line': 'HTTP/1.1 20',
    'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
    'another version': 'HTTP/3.0 200 OK\r\n\r\n',
  })) {
    it(`http: ${what} is not an answer`, async () => {
      const port = await run(canned(answer));
      await watch({ type: 'http', unhealthy_threshold: 1 }, '127.0.0.1', port)('unhealthy');
    });
  }

  it('udp: follows a server that is killed and revived', async () => {
    const first = udpServer();
    const port = await run(first);
    const becomes = watch({ type: 'udp', send: 'ping', expect: 'pong:ping', timeout: 100 }, '127.0.0.1', port);
    await becomes('healthy');
    await first.kill();
    await becomes('unhealthy');
    await run(udpServer(port));
    await becomes('healthy');
  });

  it('udp: a refusal is known before the time is over', async () => {
    const gone = udpServer();
    const port = await run(gone);
    await gone.kill();
    await watch({ type: 'udp', send: 'ping', timeout: 60_000 }, '127.0.0.1', port)('unhealthy');
  });

  it('udp: takes bytes in hexadecimal, the start of an answer, and any answer where none is expected', async () => {
    const port = await run(udpServer());
    const send = '0x00ff';
    await watch({ type: 'udp', send, expect: '0x706f6e673a00ff' }, '127.0.0.1', port)('healthy');
    await watch({ type: 'udp', send, expect: '0x706f' }, '127.0.0.1', port)('healthy');
    await watch({ type: 'udp' }, '127.0.0.1', port)('healthy');
    await watch({ type: 'udp', send, expect: '0x00ff' }, '127.0.0.1', port)('unhealthy');
  });

  it('udp: asks from the address that is configured', async () => {
    const port = await run(udpServer());
    const { cluster } = testCluster({
      health_check: { ...CHECK, type: 'udp', send: 'who', expect: 'pong:127.0.0.2' },
      endpoints: ['127.0.0.2', '127.0.0.3'].map((address) => ({
        name: `from-${address}`,
        spec: { address: '127.0.0.1', port, bind: { address, port: 0 } },
        weight: 1,
      })),
    });
    cluster.start();
    cleanups.push(() => cluster.close());
    const states = (): string =>
      cluster
        .view()
        .map(({ health }) => health)
        .join(' ');
    await until('one endpoint to be unhealthy', () => states() === 'healthy unhealthy');
  });

  it('udp: works over IPv6', async () => {
    const port = await run(udpServer(0, '::1'));
    await watch({ type: 'udp', send: 'x' }, '::1', port)('healthy');
  });

  it('udp: a server that does not answer in time is unhealthy', async () => {
    const deaf = createSocket('udp4').bind(0, '127.0.0.1');
    cleanups.push(() => new Promise((resolve) => deaf.close(() => resolve(undefined))));
    await once(deaf, 'listening');
    await watch({ type: 'udp', timeout: 20 }, '127.0.0.1', deaf.address().port)('unhealthy');
  });

  it('send a proxy’s sessions to the server that is there', async () => {
    const first = greeter('a');
    const [portA, portB] = [await run(first), await run(greeter('b'))];
    const proxy = await startProxy(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        {
          spec: { protocol: 'TCP' },
          endpoints: [`127.0.0.1:${portA}`, `127.0.0.1:${portB}`],
          health_check: { interval: 30, unhealthy_threshold: 1 },
        },
      ),
    );
    cleanups.push(() => proxy.close());
    const answers = (name: string): Promise<unknown> =>
      until(`sessions to reach ${name}`, async () => (await greeting(proxy.port('in'))) === `${name}\n`);
    await answers('a');
    await first.kill();
    await answers('b');
    await run(greeter('a', portA));
    await answers('a');
  });
});

describe('outlier ejection in a proxy', () => {
  it('lets sessions fail until the endpoint is ejected, then none', async () => {
    const server = greeter('b');
    const port = Number(await server.start());
    const proxy = await startProxy(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        {
          spec: { protocol: 'TCP' },
          endpoints: ['127.0.0.1:1', `127.0.0.1:${port}`],
          outlier_detection: { consecutive_failures: 3 },
        },
      ),
    );
    try {
      const said: string[] = [];
      for (let session = 0; session < 6; session++) said.push(await greeting(proxy.port('in')));
      expect(said).to.deep.equal(['', '', '', 'b\n', 'b\n', 'b\n']);
    } finally {
      await proxy.close();
      await server.kill();
    }
  });

  it('does not blame an endpoint for clients that reset their sessions', async () => {
    const [a, b] = [greeter('a'), greeter('b')];
    const ports = [Number(await a.start()), Number(await b.start())];
    const proxy = await startProxy(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        {
          spec: { protocol: 'TCP' },
          endpoints: ports.map((port) => `127.0.0.1:${port}`),
          outlier_detection: { consecutive_failures: 1 },
        },
      ),
    );
    try {
      for (let session = 0; session < 4; session++) {
        const client = connect(proxy.port('in'), '127.0.0.1');
        await new Promise((resolve) => client.once('data', resolve));
        client.resetAndDestroy();
      }
      await until('the sessions to end', () => proxy.sessions().length === 0);
      expect(await greeting(proxy.port('in'))).to.equal('a\n');
    } finally {
      await proxy.close();
      await Promise.all([a.kill(), b.kill()]);
    }
  });
});

/** What a server behind a port says first; nothing where it closes. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const client = connect(port, '127.0.0.1');
    client.on('data', (chunk) => {
      said += chunk.toString();
      if (said.endsWith('\n')) client.end();
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(said));
  });
}
