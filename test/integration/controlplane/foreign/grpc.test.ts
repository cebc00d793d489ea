/** gRPC's own xDS clients find their servers by our discovery service. */
import { expect } from 'chai';
import { DiscoveryProcess } from '../../../support/discovery-process.ts';
import {
  apiListener,
  envoyAssignment,
  envoyCluster,
  envoyRoute,
  envoyTypeUrl,
} from '../../../support/envoy-resources.ts';
import { closers } from '../../../support/grpc.ts';
import { JsonProcess } from '../../../support/json-process.ts';
import { packageVersion, PYTHON } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { grpcBackend } from './backends.ts';

interface Called {
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

const FOLDER = import.meta.dirname;
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js-xds': [process.execPath, '--import', 'tsx/esm', `${FOLDER}/grpc-client.ts`],
  [packageVersion('grpcio')]: [PYTHON, `${FOLDER}/grpc_client.py`],
};

for (const [name, command] of Object.entries(CLIENTS)) {
  describe(`the discovery service with ${name}`, function () {
    this.timeout(40_000);
    const cleanup = closers();
    let plane: DiscoveryProcess;
    let client: JsonProcess;
    let ports: readonly number[];
    const call = (times: number): Promise<Called> =>
      client.ask<Called>({ target: 'xds:///who', times }, 'called', 20_000);
    /** Calls until this server has answered; no call on the way fails. */
    const reaches = (server: string): Promise<true> =>
      until(`an answer of ${server}`, async () => {
        const { answers, failures } = await call(1);
        expect(failures).to.deep.equal([]);
        return (answers[server] ?? 0) > 0;
      });
    const start = async (port?: number): Promise<void> => {
      plane = await DiscoveryProcess.start('l7mp', port);
      cleanup.add(() => plane.stop());
    };

    beforeEach(async () => {
      ports = await Promise.all(['one', 'two'].map((each) => grpcBackend(each, cleanup)));
      await start();
      await plane.change([
        apiListener('who', 'to'),
        envoyRoute('to', 'a'),
        envoyCluster('a'),
        envoyAssignment('a', ports[0]!),
      ]);
      const bootstrap = {
        xds_servers: [
          {
            server_uri: `127.0.0.1:${plane.port}`,
            channel_creds: [{ type: 'insecure' }],
            server_features: ['xds_v3'],
          },
        ],
        node: { id: 'foreign', locality: {} },
      };
      client = new JsonProcess(command, { GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) });
      cleanup.add(() => client.stop());
    });
    afterEach(() => cleanup.run());

    it('finds a server by listener, route, cluster and endpoints', async () => {
      expect(await call(5)).to.deep.include({ answers: { one: 5 }, failures: [] });
      for (const kind of ['listener', 'route', 'cluster', 'assignment'] as const) {
        expect(await plane.counts(envoyTypeUrl(kind)), kind)
          .to.include({ nacks: 0 })
          .and.property('acks')
          .at.least(1);
      }
    });

    it('follows endpoints that change', async () => {
      await reaches('one');
      await plane.update(envoyTypeUrl('assignment'), envoyAssignment('a', ports[1]!));
      await reaches('two');
    });

    it('loses no call when a route moves to a new cluster', async () => {
      await reaches('one');
      const running = call(200);
      await plane.change(
        [envoyCluster('b'), envoyAssignment('b', ports[1]!), envoyRoute('to', 'b')],
        [envoyCluster('a'), envoyAssignment('a')],
      );
      expect((await running).failures).to.deep.equal([]);
      await reaches('two');
    });

    it('loses no call in 50 moves to new clusters', async () => {
      await reaches('one');
      let last = 'a';
      for (let move = 1; move <= 50; move++) {
        const next = `to-${move}`;
        const running = call(30);
        await plane.change(
          [envoyCluster(next), envoyAssignment(next, ports[move % 2]!), envoyRoute('to', next)],
          [envoyCluster(last), envoyAssignment(last)],
        );
        expect((await running).failures, next).to.deep.equal([]);
        last = next;
      }
      await reaches('one');
      expect((await call(50)).failures).to.deep.equal([]);
    });

    it('calls on while the control plane is gone, and hears of what changed meanwhile', async () => {
      await reaches('one');
      await plane.stop();
      expect(await call(5)).to.deep.include({ answers: { one: 5 }, failures: [] });
      await start(plane.port);
      await plane.change([
        apiListener('who', 'to'),
        envoyRoute('to', 'a'),
        envoyCluster('a'),
        envoyAssignment('a', ports[1]!),
      ]);
      await reaches('two');
    });
  });
}
