import { expect } from 'chai';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../../../../../controlplane/kubernetes/api/names.ts';
import { trimConfigMap, trimEndpointSlice, trimPod } from '../../../../../controlplane/kubernetes/runtime/trim.ts';

const NAMED = { name: 'web', namespace: 'shop', uid: 'u-1', resourceVersion: '7', labels: { app: 'web' } };
/** What objects have beside it, and nobody reads. */
const MORE = { annotations: { 'a.example/long': 'x'.repeat(1000) }, generation: 2, ownerReferences: [] };
const metadata = { ...NAMED, ...MORE };

describe('what is kept of objects', () => {
  it('of a pod: where it is, and whether it is ready', () => {
    const pod = (time: string): object =>
      trimPod({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata },
        spec: { nodeName: 'n1', serviceAccountName: 'default', containers: [{ name: 'web', image: 'web' }] },
        status: {
          ...{ phase: 'Running', podIP: '10.0.0.1', startTime: time, containerStatuses: [{ restartCount: 3 }] },
          conditions: [
            { type: 'Initialized', status: 'True' },
            { type: 'Ready', status: 'True', lastTransitionTime: time },
          ],
        },
      });
    expect(pod('1')).to.deep.equal({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: NAMED },
      spec: { nodeName: 'n1', serviceAccountName: 'default' },
      status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
    });
    expect(pod('2')).to.deep.equal(pod('1'));
    expect(trimPod({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'new' } })).to.deep.equal({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'new' }, spec: {}, status: { conditions: [] } },
    });
  });

  it("of a Gateway's pod: also why it does not start", () => {
    const labels = { [MANAGED_BY_LABEL]: MANAGED_BY };
    const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' };
    const state = { waiting: { reason: 'ErrImagePull', message: 'none' } };
    const status = {
      conditions: [{ ...unscheduled, lastTransitionTime: '1' }],
      containerStatuses: [
        { name: 'proxy', state, restartCount: 3 },
        { name: 'other', state: { running: {} } },
      ],
    };
    const kept = (own: Record<string, string>): unknown =>
      trimPod({ ...{ apiVersion: 'v1', kind: 'Pod' }, metadata: { ...NAMED, labels: own }, status }).status;
    expect(kept(labels)).to.deep.equal({ conditions: [unscheduled], containerStatuses: [{ name: 'proxy', state }] });
    expect(kept({})).to.deep.equal({ conditions: [] });
  });

  it('of an EndpointSlice: addresses, ports and conditions', () => {
    const targetRef = { kind: 'Pod', name: 'web', uid: 'u-2' };
    const conditions = { ready: true };
    const slice = {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' },
      ports: [{ port: 80 }],
    };
    const endpoints = [{ addresses: ['10.0.0.1'], conditions, targetRef, zone: 'z' }, { addresses: ['10.0.0.2'] }];
    expect(trimEndpointSlice({ ...slice, endpoints } as never)).to.deep.equal({
      ...{ ...slice, metadata: NAMED },
      endpoints: [{ addresses: ['10.0.0.1'], conditions }, { addresses: ['10.0.0.2'] }],
    });
    const empty = { ...slice, endpoints: null, ports: null };
    expect(trimEndpointSlice(empty)).to.deep.include({ endpoints: [], ports: [] });
  });

  it('of a ConfigMap: authorities, and all of one that we have made', () => {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    const data = { 'ca.crt': 'PEM', 'big.txt': 'x'.repeat(1000) };
    expect(trimConfigMap({ ...map, data } as never)).to.deep.equal({
      ...{ ...map, metadata: NAMED },
      data: { 'ca.crt': 'PEM' },
    });
    expect(trimConfigMap(map)).to.deep.equal({ ...map, metadata: NAMED });
    const ours = { ...map, metadata: { ...metadata, labels: { [MANAGED_BY_LABEL]: MANAGED_BY } }, data };
    expect(trimConfigMap(ours)).to.deep.equal(ours);
  });
});
