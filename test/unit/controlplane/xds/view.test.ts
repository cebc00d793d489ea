/** Heartbeats of a view. */
import { expect } from 'chai';
import { ServedView, type Subscriber } from '../../../../controlplane/xds/view.ts';
import { until } from '../../../support/until.ts';

const TYPE = 'type.googleapis.com/test.Thing';
const resource = (name: string, version: string, ttlMs?: number) => ({
  typeUrl: TYPE,
  name,
  version,
  value: Buffer.from(version),
  ...(ttlMs !== undefined && { ttlMs }),
});

describe('the heartbeats of a view', () => {
  it('come though something changes all the time', async () => {
    const view = new ServedView();
    let beats = 0;
    const subscriber: Subscriber = {
      removalsNeededAfter: Infinity,
      nameChanged() {},
      wake() {},
      heartbeat: () => beats++,
    };
    view.apply({ upsert: [resource('brief', '1', 300)], remove: [] });
    view.type(TYPE).beat(subscriber);
    let version = 0;
    const changing = setInterval(() => view.apply({ upsert: [resource('other', String(++version))], remove: [] }), 10);
    try {
      await until('two heartbeats', () => beats >= 2);
    } finally {
      clearInterval(changing);
      view.type(TYPE).stopBeating(subscriber);
    }
    expect(version).to.be.greaterThan(0);
  });
});
