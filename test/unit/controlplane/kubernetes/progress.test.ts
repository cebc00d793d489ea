import { expect } from 'chai';
import { progressOf } from '../../../../controlplane/kubernetes/progress.ts';
import type { ObjectStatus } from '../../../../gen/messages.ts';

const status = (selected: number, acked: number, serving: number, more: Partial<ObjectStatus> = {}): ObjectStatus => ({
  ...{ accepted: true, faults: [], warnings: [], failed: [], shadowed_by: '' },
  ...{ selected, acked, serving },
  ...more,
});

describe('the progress of several objects', () => {
  const of = (...statuses: (ObjectStatus | undefined)[]) =>
    progressOf(
      statuses.map((_, index) => `${index}`),
      (id) => statuses[Number(id)],
    );

  it('is that of the one that is behind', () => {
    expect(of(status(3, 3, 2), status(3, 1, 1))).to.deep.equal({ selected: 3, acked: 1, serving: 1, failures: [] });
  });

  it('counts proxies that have less to take for no less', () => {
    expect(of(status(2, 2, 2), status(1, 1, 1))).to.include({ selected: 2, acked: 2, serving: 2 });
    expect(of(status(2, 2, 2), status(1, 1, 0))).to.include({ selected: 2, acked: 2, serving: 1 });
  });

  it('does not wait for what nobody asks for, or is not there', () => {
    expect(of(status(3, 3, 3), status(0, 0, 0), undefined)).to.include({ selected: 3, acked: 3, serving: 3 });
    expect(of()).to.include({ selected: 0, acked: 0, serving: 0 });
  });

  it('has what is wrong, each once', () => {
    const failed = [{ proxy: 'a', kind: 'failed', message: 'in use' }];
    const faults = [{ path: 'spec.port', expected: 'a port', found: '-1' }];
    expect(of(status(1, 1, 0, { failed }), status(1, 1, 0, { failed, faults })).failures).to.deep.equal([
      '1: spec.port: expected a port, found -1',
      'a: in use',
    ]);
  });
});
