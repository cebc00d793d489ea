import { expect } from 'chai';
import type { GatewayNeeds } from '../../../../controlplane/kubernetes/api/gateway-needs.ts';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { GATEWAY_INDEXES, InfrastructureFeed } from '../../../../controlplane/kubernetes/infrastructure-feed.ts';
import { type KubeClient, KubeError } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { Indexer } from '../../../../controlplane/kubernetes/runtime/indexer.ts';
import { silentLogger } from '../../../support/doubles.ts';

/** Made anew each time, as translations do. */
function needs(name: string, port = 80): GatewayNeeds {
  return {
    gateway: {
      apiVersion: 'gateway.networking.k8s.io/v1',
      namespace: 'shop',
      name,
      uid: `u-${name}`,
      className: 'l7mp',
    },
    ...{ ports: [{ port, protocol: 'TCP' }], labels: {}, annotations: {}, addresses: [], parameters: [] },
  };
}

describe('what Gateways need', () => {
  it('is looked after where it has changed, and nowhere else', async () => {
    const applied = new Set<string>();
    const client = {
      get: () => Promise.reject(new KubeError('none', { code: 404, reason: 'NotFound' })),
      apply: (_type: unknown, { metadata }: KubeObject) => {
        applied.add(metadata.name);
        return Promise.resolve();
      },
    } as unknown as KubeClient;
    const reader = new Indexer({ indexes: GATEWAY_INDEXES });
    const looked: string[] = [];
    const by = reader.by.bind(reader);
    reader.by = (kind, index, value) => {
      if (kind === 'Deployment') looked.push(value);
      return by(kind, index, value);
    };
    const feed = new InfrastructureFeed({
      ...{ client, reader, settings: { controlPlane: 'cp:1235', defaults: { image: 'proxy:1' } } },
      ...{ leads: () => true, onFault: () => undefined, log: silentLogger },
    });
    try {
      feed.set([needs('web'), needs('dns')]);
      await feed.idle();
      expect([...applied].sort()).to.deep.equal(['dns-l7mp', 'web-l7mp']);
      looked.length = 0;
      feed.set([needs('web'), needs('dns', 53)]);
      await feed.idle();
      expect(looked).to.deep.equal(['shop/dns']);
      looked.length = 0;
      feed.set([needs('dns', 53)]);
      await feed.idle();
      expect(looked).to.deep.equal(['shop/web']);
    } finally {
      await feed.close();
      reader.close();
    }
  });
});
