import { expect } from 'chai';
import type { StatusPlan } from '../../../../controlplane/kubernetes/api/reader.ts';
import { Renderings } from '../../../../controlplane/kubernetes/renderings.ts';
import type { ObjectStatus } from '../../../../gen/messages.ts';

const PATIENCE = 1000;

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
    new Renderings(PATIENCE).of([plan('a', 'Rule/a', 'Cluster/c'), plan('b', 'Rule/b', 'Cluster/c')], statusOf);
    expect(asked).to.deep.equal(['Rule/a', 'Cluster/c', 'Rule/b']);
  });

  it('are the very same as long as objects are as far', () => {
    const renderings = new Renderings(PATIENCE);
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

  it('are provisional for some time after proxies are waited for, and never where something is wrong', () => {
    const renderings = new Renderings(PATIENCE);
    const plans = [plan('a', 'Rule/a')];
    const provisional = (status: ObjectStatus | undefined, now: number): boolean =>
      renderings.of(plans, () => status, now)[0]?.isProvisional ?? false;
    expect([provisional(undefined, 0), renderings.restAt(0)]).to.deep.equal([true, PATIENCE]);
    expect([provisional(acked(1), PATIENCE - 1), renderings.restAt(PATIENCE - 1)]).to.deep.equal([true, 1]);
    expect([provisional(acked(1), PATIENCE), renderings.restAt(PATIENCE)]).to.deep.equal([false, undefined]);
    expect([provisional(acked(2), PATIENCE + 1), provisional(acked(1), PATIENCE + 2)]).to.deep.equal([false, true]);
    const failed = { ...acked(1), failed: [{ proxy: 'p', kind: 'NACK', message: 'no' }] };
    expect(provisional(failed, PATIENCE + 3)).to.equal(false);
    provisional(acked(1), PATIENCE + 4);
    renderings.forget();
    expect(provisional(acked(1), 3 * PATIENCE)).to.equal(true);
  });

  it('of another plan are its own', () => {
    const renderings = new Renderings(PATIENCE);
    renderings.of([plan('a', 'Rule/a')], () => acked(1));
    const other: StatusPlan = { ...plan('a', 'Rule/a'), render: () => ({ progress: 'refused' }) };
    expect(renderings.of([other], () => acked(1))[0]?.status).to.deep.equal({ progress: 'refused' });
  });
});
