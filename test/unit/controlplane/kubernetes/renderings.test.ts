import { expect } from 'chai';
import type { StatusPlan } from '../../../../controlplane/kubernetes/api/reader.ts';
import { Renderings } from '../../../../controlplane/kubernetes/renderings.ts';
import type { ObjectStatus } from '../../../../gen/messages.ts';

const plan = (name: string, ...objects: string[]): StatusPlan => ({
  ref: { kind: 'HTTPRoute', namespace: 'shop', name },
  objects,
  render: ({ selected, acked }) => ({ progress: `${acked} of ${selected}` }),
});

const acked = (count: number): ObjectStatus => ({
  ...{ accepted: true, faults: [], warnings: [], failed: [], shadowed_by: '' },
  ...{ selected: 2, acked: count, serving: count },
});

describe('statuses as they are told', () => {
  it('ask for an object once, whoever names it', () => {
    const asked: string[] = [];
    const statusOf = (id: string): ObjectStatus | undefined => {
      asked.push(id);
      return undefined;
    };
    new Renderings().of([plan('a', 'Rule/a', 'Cluster/c'), plan('b', 'Rule/b', 'Cluster/c')], statusOf);
    expect(asked).to.deep.equal(['Rule/a', 'Cluster/c', 'Rule/b']);
  });

  it('are the very same as long as objects are as far', () => {
    const renderings = new Renderings();
    const plans = [plan('a', 'Rule/a'), plan('b', 'Rule/b')];
    const first = renderings.of(plans, () => acked(1));
    expect(first.map(({ ref, status }) => [ref.name, status])).to.deep.equal([
      ['a', { progress: '1 of 2' }],
      ['b', { progress: '1 of 2' }],
    ]);
    const second = renderings.of(plans, (id) => acked(id === 'Rule/b' ? 2 : 1));
    expect(second[0]).to.equal(first[0]);
    expect(second[1]?.status).to.deep.equal({ progress: '2 of 2' });
  });

  it('of another plan are its own', () => {
    const renderings = new Renderings();
    renderings.of([plan('a', 'Rule/a')], () => acked(1));
    const other: StatusPlan = { ...plan('a', 'Rule/a'), render: () => ({ progress: 'refused' }) };
    expect(renderings.of([other], () => acked(1))[0]?.status).to.deep.equal({ progress: 'refused' });
  });
});
