import { expect } from 'chai';
import { Applier } from '../../../../dataplane/xds/applier.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { until } from '../../../support/until.ts';
import type { Held } from '../../../../dataplane/xds/types.ts';
import { arrival, createParts, echo } from './fakes.ts';

describe('what is held and the configuration', () => {
  const create = () => {
    const made = createParts();
    let changes = 0;
    const { inventory, sink, intake } = made;
    const apply = sink.apply.bind(sink);
    sink.apply = (...given) => {
      changes++;
      return apply(...given);
    };
    const told: string[][] = [];
    const onApplied = (live: readonly Held[]): void => void told.push(live.map(({ name }) => name));
    const applier = new Applier({ inventory, sink, coalesce: 5, onApplied, log: silentLogger });
    const take = (name: string): void => {
      intake.take('Cluster', [arrival('Cluster', echo(name))], { names: [] });
      applier.schedule();
    };
    return { ...made, applier, take, told, changes: () => changes };
  };

  it('changes that come together are one', async () => {
    const { applier, take, changes, sink } = create();
    for (const name of ['a', 'b', 'c']) take(name);
    await applier.flush();
    expect([...sink.snapshot.clusters.keys()]).to.deep.equal(['a', 'b', 'c']);
    expect(changes()).to.equal(1);
    take('d');
    await until('d', () => sink.snapshot.clusters.has('d'));
    expect(changes()).to.equal(2);
    await applier.flush();
    expect(changes(), 'nothing to do').to.equal(2);
    await applier.close();
  });

  it('what comes while a change is made is not told of as live', async () => {
    const { applier, take, told, sink } = create();
    const apply = sink.apply.bind(sink);
    take('a');
    sink.apply = async (...given) => {
      await apply(...given);
      sink.failure = new Error('not now');
      take('b');
    };
    await applier.flush();
    expect(told).to.deep.equal([['a']]);
    expect(applier.isSettled).to.equal(false);
    sink.apply = apply;
    sink.failure = undefined;
    await until('b', () => told.length === 2);
    expect(told[1]).to.deep.equal(['a', 'b']);
    await applier.close();
  });

  it('what can not be made live is tried again', async () => {
    const { applier, take, sink } = create();
    sink.failure = new Error('not now');
    take('a');
    await applier.flush();
    expect(applier.isSettled).to.equal(false);
    sink.failure = undefined;
    await until('a', () => sink.snapshot.clusters.has('a'));
    expect(applier.isSettled).to.equal(true);
    await applier.close();
  });

  it('only what changed is put in, and what is gone is taken out', async () => {
    const { applier, take, sink, intake } = create();
    take('a');
    take('b');
    await applier.flush();
    const before = sink.snapshot.clusters.get('a');
    intake.take('Cluster', [], { names: ['b'] });
    take('c');
    await applier.flush();
    expect([...sink.snapshot.clusters.keys()]).to.deep.equal(['a', 'c']);
    expect(sink.snapshot.clusters.get('a')).to.equal(before);
    await applier.close();
  });
});
