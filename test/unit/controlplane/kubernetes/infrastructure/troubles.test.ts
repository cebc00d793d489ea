/** What Kubernetes says of pods that don't come, in one line. */
import { expect } from 'chai';
import type { Pod, PodStatus } from '../../../../../controlplane/kubernetes/api/core-kinds.ts';
import { troublesOf } from '../../../../../controlplane/kubernetes/infrastructure/troubles.ts';

const pod = (status: PodStatus, metadata: object = {}): Pod => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', ...metadata } },
  status,
});
const waiting = (reason: string, message?: string, lastState: object = {}): Pod => {
  const state = { waiting: { reason, ...(message !== undefined && { message }) } };
  return pod({ containerStatuses: [{ name: 'proxy', state, lastState }] });
};
const deployment = (type: string, status: string): object => ({
  ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
  status: { conditions: [{ type, status, reason: 'FailedCreate', message: 'pods "web-" is forbidden' }] },
});
const of = (pods: readonly Pod[], workloads: readonly object[] = []): string | undefined =>
  troublesOf(workloads as never, pods);

describe('troubles of pods', () => {
  it('are none where pods start and run', () => {
    expect(of([waiting('ContainerCreating'), waiting('PodInitializing'), pod({ phase: 'Running' })])).to.equal(
      undefined,
    );
    expect(of([], [deployment('ReplicaFailure', 'False'), deployment('Available', 'True')])).to.equal(undefined);
  });

  it('are those of the workload, of the scheduler and of the node, each once', () => {
    expect(of([], [deployment('ReplicaFailure', 'True')])).to.equal('FailedCreate: pods "web-" is forbidden');
    const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' };
    const image = waiting('ImagePullBackOff', 'Back-off pulling image "a"');
    expect(of([pod({ conditions: [unscheduled] }), image, image])).to.equal(
      'Unschedulable: 0/3 nodes; ImagePullBackOff: Back-off pulling image "a"',
    );
  });

  it('say of a process that ends how it ended, and nothing that changes with time', () => {
    const crashed = waiting('CrashLoopBackOff', 'back-off 10s', { terminated: { exitCode: 2, reason: 'Error' } });
    expect(of([crashed])).to.equal('CrashLoopBackOff: Error, exit code 2: see the log of the pod');
  });

  it('are no longer those of pods that go, and not longer than a line', () => {
    const gone = pod({ conditions: [{ type: 'PodScheduled', status: 'False' }] }, { deletionTimestamp: 'now' });
    expect(of([gone])).to.equal(undefined);
    expect(of([waiting('ErrImagePull', 'x'.repeat(5000))])).to.have.length(201);
  });
});
