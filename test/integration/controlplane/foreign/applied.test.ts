/** Waiting for all proxies where some take only a part of what there is: raw streams, and gRPC's client, which asks by name. */
import { expect } from 'chai';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { type ConfigService, configService, type GivenObject } from '../../../support/config-service.ts';
import { ControlPlaneProcess } from '../../../support/control-plane-process.ts';
import { deltaPeer, sotwPeer } from '../../../support/discovery.ts';
import { apiListener, envoyAssignment, envoyCluster, envoyRoute } from '../../../support/envoy-resources.ts';
import { closers } from '../../../support/grpc.ts';
import { JsonProcess } from '../../../support/json-process.ts';
import { packageVersion, PYTHON } from '../../../support/peer.ts';
import type { GivenResource } from '../../../support/view-server.ts';
import { grpcBackend } from './backends.ts';

const CLUSTER = { spec: { protocol: 'TCP', port: 1 }, endpoints: [{ spec: { address: '127.0.0.1' } }] };

function raw({ type_url: kind = '', name, value }: GivenResource): GivenObject {
  return { kind, name, raw: Buffer.from(value, 'base64') };
}

describe('waiting until all proxies have what is applied', function () {
  this.timeout(40_000);
  const cleanup = closers();
  let plane: ControlPlaneProcess;
  let port: number;
  let service: ConfigService;
  /** `selected` and `reached` of `l7mp wait` for some objects, or all. */
  const wait = async (...objects: readonly string[]): Promise<object> => {
    const { stdout, stderr } = await plane.l7mp('wait', '--applied', ...objects, '--json', '--timeout', '20s');
    return stdout === '' ? { failed: stderr } : (JSON.parse(stdout) as object);
  };

  beforeEach(async () => {
    plane = await ControlPlaneProcess.start();
    cleanup.add(() => plane.stop());
    port = Number(plane.address.split(':').at(-1));
    service = configService(plane.address, cleanup);
  });
  afterEach(() => cleanup.run());

  for (const [variant, peerOf] of [
    ['delta', deltaPeer],
    ['sotw', sotwPeer],
  ] as const) {
    it(`does not wait for what a proxy of ${variant} does not ask for`, async () => {
      const rules = [{ action: { route: { destination: 'a' } } }];
      const listener = { spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules };
      await service.apply(
        { kind: 'Cluster', name: 'a', spec: CLUSTER },
        { kind: 'Cluster', name: 'b', spec: CLUSTER },
        { kind: 'Listener', name: 'l', spec: listener },
      );
      const peer = peerOf(port, cleanup, 'edge-1');
      /** Until a response has the resource: it is said to be missing where it is asked for before the view has it. */
      const take = async (): Promise<void> => {
        while ((await peer.taken()).resources.length === 0);
      };
      peer.subscribe(typeUrlOf('ClusterLoadAssignment'), 'a');
      await take();
      expect(await wait()).to.deep.equal({ selected: 1, reached: 1 });
      const { stdout } = await plane.l7mp('status');
      expect(stdout).to.match(/^edge-1 +Synced /mu);
      expect(stdout).to.match(/^Cluster\/a +Serving +1 of 1 /mu);
      expect(stdout).to.match(/^Listener\/l +Accepted +0 of 0 /mu);
      // What it asks for is waited for as before.
      await service.apply({
        kind: 'Cluster',
        name: 'a',
        spec: { ...CLUSTER, endpoints: [{ spec: { address: '127.0.0.2' } }] },
      });
      const waiting = wait('cluster/a');
      await take();
      expect(await waiting).to.deep.equal({ selected: 1, reached: 1 });
    });
  }

  it(`does not wait for what ${packageVersion('grpcio')} does not name`, async () => {
    const backend = await grpcBackend('one', cleanup);
    const used = [apiListener('who', 'to'), envoyRoute('to', 'a'), envoyCluster('a'), envoyAssignment('a', backend)];
    const unused = [
      apiListener('other', 'to'),
      envoyRoute('others', 'b'),
      envoyCluster('b'),
      envoyAssignment('b', backend),
    ];
    await service.apply(...[...used, ...unused].map(raw));
    const bootstrap = {
      xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
      node: { id: 'foreign', locality: {} },
    };
    const script = `${import.meta.dirname}/grpc_client.py`;
    const client = new JsonProcess([PYTHON, script], { GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) });
    cleanup.add(() => client.stop());
    const answer = await client.ask({ target: 'xds:///who', times: 1 }, 'called', 20_000);
    expect(answer).to.deep.include({ answers: { one: 1 }, failures: [] });
    expect(await wait()).to.deep.equal({ selected: 4, reached: 4 });
  });
});
