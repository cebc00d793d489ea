import { expect } from 'chai';
import { Intake } from '../../../../dataplane/xds/intake.ts';
import { arrival, codec, createParts, echo } from './fakes.ts';

describe('the intake of responses', () => {
  let { intake, inventory, sink } = createParts();
  const names = (): string[] => [...inventory.of('Cluster').keys()];
  beforeEach(() => {
    ({ intake, inventory, sink } = createParts());
  });

  it('names what is wrong with each resource, and holds the others', () => {
    const faults = intake.take(
      'Cluster',
      [
        arrival('Cluster', echo('good')),
        arrival('Cluster', echo('a'), { name: 'b' }),
        arrival('Cluster', {}, { name: 'c' }),
        arrival('Route', { name: 'd' }),
        arrival('Cluster', { name: 'e' }, { value: Buffer.from([0xff]) }),
        arrival('Cluster', echo('good')),
      ],
      { names: [] },
    );
    expect(faults.map((fault) => fault.split(',')[0])).to.deep.equal([
      'b: name: expected "b"',
      'c: configuration: expected a name',
      'd: configuration: expected type.googleapis.com/l7mp.config.v1.Cluster',
      'e: configuration: expected a message of type Cluster',
      'good: configuration: expected a name once in a response',
    ]);
    expect(names()).to.deep.equal(['good']);
  });

  it('does not know what is gone where something can not be read', () => {
    intake.take('Cluster', [arrival('Cluster', echo('a')), arrival('Cluster', echo('b'))], { names: [] });
    const unreadable = arrival('Cluster', {}, { value: Buffer.from([0xff]) });
    intake.take('Cluster', [unreadable], { others: true });
    expect(names()).to.deep.equal(['a', 'b']);
    intake.take('Cluster', [arrival('Cluster', echo('b'))], { others: true });
    expect(names()).to.deep.equal(['b']);
  });

  it('names each of several that can not be read, and a resource whose check fails by itself', () => {
    const failing = {
      ...codec,
      read: (kind: Parameters<typeof codec.read>[0], bytes: Uint8Array) => {
        const read = codec.read(kind, bytes);
        const check: typeof read.check = (existing) => {
          if (read.name === 'broken') throw new TypeError('a defect');
          return read.check(existing);
        };
        return { ...read, check };
      },
    };
    const fault = (found: string) => ({ path: '', expected: 'a message of type Resource', found });
    const faults = new Intake(inventory, failing, () => sink.snapshot).take(
      'Cluster',
      [
        { unreadable: fault('x') },
        { unreadable: fault('y') },
        arrival('Cluster', echo('broken')),
        arrival('Cluster', echo('good')),
      ],
      { names: [] },
    );
    expect(faults).to.deep.equal([
      ': configuration: expected a message of type Resource, found x',
      ': configuration: expected a message of type Resource, found y',
      'broken: configuration: expected a Cluster that can be checked, found a defect',
    ]);
    expect(names()).to.deep.equal(['good']);
  });

  it('does not make anew what is sent again', () => {
    const take = (version: string) => {
      intake.take('Cluster', [arrival('Cluster', echo('a'), { version })], { names: [] });
      return inventory.of('Cluster').get('a');
    };
    const first = take('1');
    expect(take('1')).to.equal(first);
    expect(take('2')).not.to.equal(first);
  });

  it('refuses rules that lead in a circle, whichever comes last', () => {
    const list = (name: string, rule: string) => arrival('RuleList', { name, rules: [rule] } as never);
    const rule = (name: string, apply: string) => arrival('Rule', { name, action: { apply } } as never);
    expect(intake.take('RuleList', [list('x', 'r1'), list('y', 'r2')], { names: [] })).to.deep.equal([]);
    const faults = intake.take('Rule', [rule('r1', 'y'), rule('r2', 'x')], { names: [] });
    expect(faults).to.have.length(1);
    expect(faults[0]).to.match(/^r2: .*circle/u);
    expect([...inventory.of('Rule').keys()]).to.deep.equal(['r1']);
    // The circle is broken: what was refused is taken now.
    expect(intake.take('Rule', [rule('r2', 'z')], { names: [] })).to.deep.equal([]);
  });

  it('holds what the proxy has itself, but refuses it', async () => {
    const { intake: other, inventory: held } = createParts();
    other.take('Cluster', [arrival('Cluster', echo('a'))], { names: [] });
    const { objects } = held.desired(sink.snapshot);
    const [a] = objects.clusters.values();
    if (a === undefined) throw new Error('nothing is held');
    await sink.apply({ upsert: { clusters: new Map([['a', { ...a, source: 'local' }]]) }, remove: [] });
    const faults = intake.take('Cluster', [arrival('Cluster', echo('a'))], { names: [] });
    expect(faults).to.have.length(1);
    expect(names()).to.deep.equal(['a']);
    expect([...inventory.desired(sink.snapshot).objects.clusters.keys()]).to.deep.equal([]);
  });
});
