import { expect } from 'chai';
import type { TcpCluster } from '../../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../../common/errors.ts';
import type { ConnectorContext } from '../../../../dataplane/core/protocol.ts';
import { protocol as tcp } from '../../../../dataplane/protocols/tcp/index.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { clusterConfig, request, testCluster } from '../../../support/cluster.ts';
import { relay, startProxy } from '../../../support/proxy.ts';
import { connect } from 'node:net';
import { greeter, type Peer, versionOf } from './peers.ts';
import { until } from '../../../support/until.ts';

describe(`clusters of real sockets, with socat ${versionOf('socat', '-V')}`, () => {
  let server: Peer;
  let port: number;

  beforeEach(async () => {
    server = greeter('a');
    port = Number(await server.start());
  });

  afterEach(() => server.kill());

  const create = (): ReturnType<typeof testCluster>['cluster'] => {
    const spec = { ...clusterConfig().spec, port } as TcpCluster;
    const connector = tcp.connector?.({ name: 'cluster', spec, log: silentLogger } as ConnectorContext<TcpCluster>);
    const endpoints = [{ name: 'e', spec: { address: '127.0.0.1', port }, weight: 1 }];
    return testCluster({ endpoints }, connector && { connector }).cluster;
  };

  it('leave no socket and no count behind when attempts are given up', async () => {
    const cluster = create();
    const deleted = new ProxyError('DELETED', 'deleted by the test');
    const codes = Array.from({ length: 50 }, async (_, index) => {
      const opening = cluster.open(request());
      if ('stream' in opening) throw new Error('expected an opening, found a stream');
      if (index % 2 === 0) opening.abort(deleted);
      else setImmediate(() => opening.abort(deleted));
      return opening.opened.then(
        (opened) => {
          opened.stream.destroy();
          opened.release();
          return 'OPENED';
        },
        (error: unknown) => ProxyError.from(error).code,
      );
    });
    for (const code of await Promise.all(codes)) expect(code).to.be.oneOf(['DELETED', 'OPENED']);
    expect(cluster.view()[0]).to.include({ sessions: 0, totalFailures: 0 });
    await cluster.close();
    // That no socket is left, the hook after each test sees.
  });

  it('reach an endpoint by its name', async () => {
    const proxy = await startProxy(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        { spec: { protocol: 'TCP' }, endpoints: [`localhost:${port}`], dns: { family: 'ipv4', interval: 100 } },
      ),
    );
    try {
      const client = connect(proxy.port('in'), '127.0.0.1');
      let said = '';
      client.on('data', (chunk) => (said += chunk.toString()));
      await until('the greeting', () => said === 'a\n');
      expect(proxy.sessions()[0]?.destination?.endpoint).to.include({ address: '127.0.0.1', port });
      client.destroy();
    } finally {
      await proxy.close();
    }
  });

  for (const policy of ['Trivial', 'RoundRobin']) {
    it(`are reached behind an endpoint that is dead, by a retry at once (${policy})`, async () => {
      const cluster = {
        spec: { protocol: 'TCP', port },
        endpoints: ['127.0.0.2', '127.0.0.1'], // nobody listens at the first
        loadbalancer: { policy },
      };
      // The pause is longer than the test: it only succeeds without one.
      const retry = { retry_on: 'connect-failure', num_retries: 3, timeout: 60_000 };
      const proxy = await startProxy(relay({ protocol: 'TCP', address: '127.0.0.1', port: 0 }, cluster, { retry }));
      const client = connect(proxy.port('in'), '127.0.0.1');
      try {
        let said = '';
        client.on('data', (chunk) => (said += chunk.toString()));
        await until('the greeting', () => said === 'a\n');
      } finally {
        client.destroy();
        await proxy.close();
      }
    });
  }
});
