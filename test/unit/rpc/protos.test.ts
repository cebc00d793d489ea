/** Messages with their well-known types, and services, as the generated descriptors have them. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { ApplyRequest, DeltaDiscoveryRequest, HealthCheckResponse } from '../../../gen/messages.ts';
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { codecOf } from '../../../rpc/protos.ts';
import { serviceOf } from '../../../rpc/services.ts';

describe('protobuf messages', () => {
  it('have plain JSON in place of Struct and Value', () => {
    const codec = codecOf<{ metadata?: Record<string, Json> }>('envoy.config.core.v3.Node');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }), (value) => {
        const metadata = JSON.parse(JSON.stringify(value)) as Record<string, Json>; // -0 is 0 in JSON
        expect(codec.decode(codec.encode({ metadata })).metadata).to.deep.equal(metadata);
      }),
    );
  });

  it('have ISO text for Timestamp, and ms for Duration', () => {
    const codec = codecOf<ApplyRequest>('l7mp.admin.v1.ApplyRequest');
    const rollout = { percent: [10], pause: 1500, max_failures: 0, manual: false };
    const object = { labels: {}, version: '', revision: 0, source: '', changed_at: '1969-12-31T23:59:59.999Z' };
    const decoded = codec.decode(codec.encode({ objects: [object], rollout }));
    expect(decoded.rollout).to.deep.equal(rollout);
    expect(decoded.objects).to.deep.equal([object]);
  });

  it('are decoded with zeros, and tell an optional zero from none', () => {
    const codec = codecOf<DeltaDiscoveryRequest>('envoy.service.discovery.v3.DeltaDiscoveryRequest');
    expect(codec.decode(Buffer.alloc(0))).to.deep.equal({
      type_url: '',
      resource_names_subscribe: [],
      resource_names_unsubscribe: [],
      initial_resource_versions: {},
      response_nonce: '',
    });
    const health = codecOf<HealthCheckResponse>('grpc.health.v1.HealthCheckResponse');
    expect(health.decode(Buffer.alloc(0)).status).to.equal('UNKNOWN');
    const apply = codecOf<ApplyRequest>('l7mp.admin.v1.ApplyRequest');
    const object = { labels: {}, version: '', revision: 0, source: '', if_revision: 0 };
    expect(apply.decode(apply.encode({ objects: [object] })).objects[0]).to.deep.equal(object);
  });

  it('of the configuration leave absent what is not on the wire, and keep zeros that differ from a default', () => {
    const codec = codecOf<object>('l7mp.config.v1.Route', 'absent');
    const route = { name: 'r', destinations: [{ cluster: 'c', weight: 0 }], retry: { num_retries: 0 } };
    expect(codec.decode(codec.encode(route))).to.deep.equal(route);
  });
});

describe('gRPC services', () => {
  it('are made of the descriptors', () => {
    const { Watch, Apply } = serviceOf('l7mp.admin.v1.ConfigService');
    expect(Watch).to.include({
      path: '/l7mp.admin.v1.ConfigService/Watch',
      requestStream: false,
      responseStream: true,
    });
    expect(Apply).to.include({ requestStream: false, responseStream: false });
    expect(() => serviceOf('l7mp.admin.v1.Nothing')).to.throw();
  });
});
