import { expect } from 'chai';
import {
  clearedStatus,
  hasOurs,
  mergedStatus,
  mergePatchOf,
  newestGeneration,
  type Status,
} from '../../../../../controlplane/kubernetes/runtime/status-merge.ts';

const US = 'l7mp.io/gateway-controller';
const THEM = 'other.io/controller';
const OLD = '2020-01-01T00:00:00Z';
const NOW = '2026-01-01T00:00:00Z';
const MERGING = { controller: US, now: NOW };

const condition = (type: string, status: string, at?: string): Status => ({
  type,
  status,
  reason: 'R',
  message: '',
  observedGeneration: 2,
  ...(at !== undefined && { lastTransitionTime: at }),
});
const parent = (name: string, by: string, ...conditions: Status[]): Status => ({
  parentRef: { name },
  controllerName: by,
  conditions,
});

describe('controlplane/kubernetes/runtime/status-merge', () => {
  it('keeps the time of a condition whose status is the same, wherever it stands', () => {
    const current = {
      conditions: [condition('A', 'True', OLD), condition('B', 'False', OLD)],
      listeners: [{ name: 'y', conditions: [condition('A', 'True', OLD)] }],
    };
    const desired = {
      conditions: [condition('B', 'True'), condition('A', 'True')],
      listeners: [
        { name: 'x', conditions: [condition('A', 'True')] },
        { name: 'y', conditions: [{ ...condition('A', 'True'), message: 'new' }] },
      ],
    };
    expect(mergedStatus(desired, current, MERGING)).to.deep.equal({
      conditions: [condition('B', 'True', NOW), condition('A', 'True', OLD)],
      listeners: [
        { name: 'x', conditions: [condition('A', 'True', NOW)] },
        { name: 'y', conditions: [{ ...condition('A', 'True', OLD), message: 'new' }] },
      ],
    });
  });

  describe('as long as proxies may come back', () => {
    const told = (type: string, status: string, reason: string, generation = 2): Status => ({
      ...condition(type, status, OLD),
      ...{ reason, observedGeneration: generation },
    });
    const current = {
      proxies: '2 of 2',
      conditions: [told('Programmed', 'True', 'Programmed'), told('Other', 'True', 'Pending', 1)],
      listeners: [{ name: 'a', conditions: [told('Programmed', 'True', 'Programmed')] }],
    };
    const desired = (reason: string): Status => ({
      proxies: '0 of 0',
      conditions: [told('Programmed', 'False', reason), told('Other', 'False', 'Pending')],
      listeners: [{ name: 'a', conditions: [told('Programmed', 'False', reason)] }],
    });
    const merge = (reason: string, isProvisional = true): Status =>
      mergedStatus(desired(reason), current, { ...MERGING, isProvisional });

    it('keeps what held for the same generation, and would only wait', () => {
      const other = { ...told('Other', 'False', 'Pending'), lastTransitionTime: NOW };
      for (const reason of ['Pending', 'NoProxies']) {
        expect(merge(reason)).to.deep.equal({ ...current, conditions: [current.conditions[0], other] });
      }
    });

    it('tells what is wrong at once, and all when that time is over', () => {
      for (const merged of [merge('Failed'), merge('Pending', false)]) {
        expect(merged).to.include({ proxies: '0 of 0' });
        const { conditions, listeners } = merged as typeof current;
        for (const each of [...conditions, ...listeners[0]!.conditions]) expect(each).to.include({ status: 'False' });
      }
    });

    it('keeps nothing that did not hold', () => {
      const before = { conditions: [told('Programmed', 'False', 'Failed')] };
      const { conditions } = mergedStatus({ conditions: [told('Programmed', 'False', 'Pending')] }, before, {
        ...MERGING,
        isProvisional: true,
      }) as typeof before;
      expect(conditions[0]).to.include({ reason: 'Pending' });
    });
  });

  it('leaves entries of others, and the places of ours', () => {
    const others = parent('a', THEM, condition('Accepted', 'True', OLD));
    const current = { parents: [parent('a', US, condition('Accepted', 'True', OLD)), others, parent('gone', US)] };
    const desired = { parents: [parent('b', US), parent('a', US, condition('Accepted', 'True'))] };
    const merged = mergedStatus(desired, current, MERGING);
    expect(merged).to.deep.equal({
      parents: [parent('a', US, condition('Accepted', 'True', OLD)), others, parent('b', US)],
    });
    expect(mergePatchOf(merged, mergedStatus(desired, merged, { controller: US, now: 'later' }))).to.equal(undefined);
  });

  it('knows a parent by what the server fills in', () => {
    const filled = {
      ...parent('a', US, condition('Accepted', 'True', OLD)),
      parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'a' },
    };
    const { parents } = mergedStatus(
      { parents: [parent('a', US, condition('Accepted', 'True'))] },
      { parents: [filled] },
      MERGING,
    );
    expect(parents).to.deep.equal([parent('a', US, condition('Accepted', 'True', OLD))]);
  });

  it('takes no place of others where a list is full', () => {
    const ancestors = Array.from({ length: 15 }, (_, number) => ({
      ancestorRef: { name: `${number}` },
      controllerName: THEM,
    }));
    const ours = ['x', 'y'].map((name) => ({ ancestorRef: { name }, controllerName: US }));
    const merged = mergedStatus({ ancestors: ours }, { ancestors }, MERGING)['ancestors'] as Status[];
    expect(merged).to.have.length(16);
    expect(merged.slice(0, 15)).to.deep.equal(ancestors);
    expect(merged[15]).to.deep.equal(ours[0]);
  });

  it('clears ours only', () => {
    const theirs = parent('a', THEM);
    expect(clearedStatus({ parents: [theirs, parent('a', US)] }, US)).to.deep.equal({ parents: [theirs] });
    expect(clearedStatus({ conditions: [condition('A', 'True', OLD)] }, US)).to.deep.equal({});
    expect(hasOurs({ parents: [theirs] }, US)).to.equal(false);
    expect(hasOurs({ parents: [theirs, parent('a', US)] }, US)).to.equal(true);
  });

  it('finds the newest generation of ours', () => {
    const theirs = parent('a', THEM, { ...condition('A', 'True'), observedGeneration: 9 });
    expect(newestGeneration({ parents: [theirs, parent('a', US, condition('A', 'True'))] }, US)).to.equal(2);
    expect(newestGeneration({}, US)).to.equal(0);
  });

  it('patches what differs, and takes away what is not there any more', () => {
    const patch = mergePatchOf({ a: 1, b: { c: 1, d: 2 }, e: [1], f: 1 }, { a: 1, b: { c: 1 }, e: [2], g: {} });
    expect(patch).to.deep.equal({ f: null, b: { d: null }, e: [2], g: {} });
    expect(mergePatchOf({ a: { x: [1] } }, { a: { x: [1] } })).to.equal(undefined);
  });
});
