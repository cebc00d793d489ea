import { expect } from 'chai';
import type { DeltaDiscoveryResponse, DiscoveryResponse } from '../../../../gen/messages.ts';
import { codecOf } from '../../../../rpc/protos.ts';
import { DeltaProtocol } from '../../../../dataplane/xds/delta.ts';
import { SotwProtocol } from '../../../../dataplane/xds/sotw.ts';
import { any, typeUrl } from '../../../support/raw-control-plane.ts';
import { createParts, echo } from './fakes.ts';

describe('the incremental variant', () => {
  const { parts, requests, inventory } = createParts();
  const protocol = new DeltaProtocol(parts);
  const names = (...list: string[]) => new Set(list);
  const delta = (response: Partial<DeltaDiscoveryResponse>): DeltaDiscoveryResponse => ({
    ...{ system_version_info: '', resources: [], type_url: typeUrl('Cluster'), nonce: '1', removed_resources: [] },
    ...response,
  });
  beforeEach(() => requests.splice(0));

  it('asks for nothing where no name is wanted: that would be all', () => {
    protocol.subscribe('ClusterLoadAssignment', names());
    expect(requests).to.deep.equal([]);
  });

  it('tells who asks once, and of names only what changes', () => {
    protocol.subscribe('ClusterLoadAssignment', names('a', 'b'));
    protocol.subscribe('ClusterLoadAssignment', names('b', 'c'));
    protocol.subscribe('ClusterLoadAssignment', names('c', 'b'));
    const [first, second] = requests;
    expect(requests).to.have.length(2);
    expect(first).to.deep.include({ node: parts.node, resource_names_subscribe: ['a', 'b'] });
    expect(second).to.deep.include({ resource_names_subscribe: ['c'], resource_names_unsubscribe: ['a'] });
    expect(second).not.to.have.property('node');
  });

  it('refuses what was not asked for', () => {
    protocol.handle(
      delta({ resources: [{ name: 'x', version: '1', aliases: [], resource: any('Cluster', echo('x')) }] }),
    );
    expect([...inventory.of('Cluster').keys()]).to.deep.equal([]);
    expect(requests.at(-1)?.error_detail?.message).to.equal(
      `type_url: expected a type that was asked for, found "${typeUrl('Cluster')}"`,
    );
  });

  it('takes a resource without a body as a sign of life', () => {
    protocol.subscribe('Cluster', undefined);
    const heartbeat = { name: 'x', version: '1', aliases: [] };
    protocol.handle(delta({ resources: [{ ...heartbeat, resource: any('Cluster', echo('x')) }] }));
    protocol.handle(delta({ nonce: '2', resources: [heartbeat] }));
    expect([...inventory.of('Cluster').keys()]).to.deep.equal(['x']);
    expect(requests.at(-1)).to.deep.equal({ type_url: typeUrl('Cluster'), response_nonce: '2' });
  });
});

describe('the state-of-the-world variant', () => {
  let { parts, requests, inventory } = createParts();
  let protocol = new SotwProtocol(parts, new Map());
  const sotw = (kind: string, resources: DiscoveryResponse['resources'], nonce = '1'): DiscoveryResponse => ({
    ...{ version_info: nonce, canary: false, type_url: typeUrl(kind), nonce, resources },
  });
  const held = (kind: 'Cluster' | 'Route' | 'ClusterLoadAssignment'): string[] => [...inventory.of(kind).keys()];
  beforeEach(() => {
    ({ parts, requests, inventory } = createParts());
    protocol = new SotwProtocol(parts, new Map());
  });

  it('drops listeners and clusters that a response does not hold, and nothing of other types', () => {
    const route = (name: string) => any('Route', { name, destination: 'c' });
    protocol.subscribe('Cluster', undefined);
    protocol.subscribe('Route', undefined);
    protocol.handle(sotw('Cluster', [any('Cluster', echo('a')), any('Cluster', echo('b'))]));
    protocol.handle(sotw('Route', [route('a'), route('b')]));
    protocol.handle(sotw('Cluster', [any('Cluster', echo('b'))], '2'));
    protocol.handle(sotw('Route', [route('b')], '2'));
    expect([held('Cluster'), held('Route')]).to.deep.equal([['b'], ['a', 'b']]);
    protocol.handle(sotw('Cluster', [], '3'));
    protocol.handle(sotw('Route', [], '3'));
    expect([held('Cluster'), held('Route')]).to.deep.equal([[], ['a', 'b']]);
  });

  it('keeps endpoints that a response leaves out, and sends all names with the last nonce', () => {
    const of = (name: string) => any('ClusterLoadAssignment', { name });
    protocol.subscribe('ClusterLoadAssignment', new Set(['a', 'b']));
    protocol.handle(sotw('ClusterLoadAssignment', [of('a'), of('b')]));
    protocol.handle(sotw('ClusterLoadAssignment', [of('a')], '2'));
    expect(held('ClusterLoadAssignment')).to.deep.equal(['a', 'b']);
    protocol.subscribe('ClusterLoadAssignment', new Set(['b', 'a']));
    protocol.subscribe('ClusterLoadAssignment', new Set(['b']));
    expect(requests).to.have.length(4);
    expect(requests.at(-1)).to.deep.include({ resource_names: ['b'], response_nonce: '2', version_info: '2' });
  });

  it('refuses what was not asked for', () => {
    protocol.handle(sotw('Cluster', [any('Cluster', echo('x'))]));
    expect(held('Cluster')).to.deep.equal([]);
    expect(requests).to.have.length(1);
    expect(requests[0]).to.deep.include({ response_nonce: '1', type_url: typeUrl('Cluster') });
    expect(requests[0]?.error_detail?.message).to.match(/^type_url: expected a type that was asked for/u);
  });

  it('unwraps resources that come with a version of their own', () => {
    const resource = { name: 'a', version: '7', resource: any('Cluster', echo('a')) };
    const value = codecOf('envoy.service.discovery.v3.Resource').encode(resource);
    protocol.subscribe('Cluster', undefined);
    protocol.handle(sotw('Cluster', [{ type_url: 'type.googleapis.com/envoy.service.discovery.v3.Resource', value }]));
    expect(inventory.of('Cluster').get('a')?.version).to.equal('7');
  });
});
