/** Which proxy gets what, and how much is done for a change. */
import { expect } from 'chai';
import type { Selector } from '../../../../gen/messages.ts';
import { AudienceCatalog } from '../../../../controlplane/catalog/catalog.ts';
import { Pacer } from '../../../../controlplane/catalog/pacer.ts';
import { type Audience, audienceKey } from '../../../../controlplane/model/audience.ts';
import type { Translated } from '../../../../controlplane/model/translated.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { nodeFacts, recorded, recordingLog, RecordingView } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

const KIND = 'type.googleapis.com/l7mp.config.v1.';

function selector(more: Partial<Selector>): Audience {
  return { selector: { match_labels: {}, match_expressions: [], match_ids: [], ...more } };
}

function thing(name: string, version: string, audience: Audience = {}, kind = 'Cluster'): Translated {
  const resource = { typeUrl: `${KIND}${kind}`, name, version, value: Buffer.from(version) };
  return {
    id: `${kind}/${name}`,
    key: { kind, name },
    version,
    audience,
    audienceKey: audienceKey(audience),
    resources: [resource],
  };
}

describe('the catalog', () => {
  let views: RecordingView[];
  let catalog: AudienceCatalog;
  let moved: [string, string[]][];

  beforeEach(() => {
    views = [];
    moved = [];
    catalog = new AudienceCatalog({
      createView: () => views[views.push(new RecordingView()) - 1]!,
      observe: () => {},
      keep: 1,
    });
    catalog.onMove = (id, view) => moved.push([id, recorded(view).names()]);
  });

  afterEach(() => catalog.close());

  const attach = (id: string, labels = {}) => recorded(catalog.attach(nodeFacts(id, labels)));
  const put = (...upsert: Translated[]) => catalog.apply({ upsert, remove: [] });

  it('gives one view to proxies that see the same', async () => {
    await put(thing('all', '1'), thing('x', '1', selector({ match_labels: { tier: 'x' } })));
    await put(thing('one', '1', selector({ match_ids: ['p3'] })));
    const [p1, p2, p3] = [attach('p1', { tier: 'x' }), attach('p2', { tier: 'x', more: 'y' }), attach('p3')];
    expect(p1).to.equal(p2);
    expect(p1.names()).to.deep.equal(['Cluster/all', 'Cluster/x']);
    expect(p3.names()).to.deep.equal(['Cluster/all', 'Cluster/one']);
  });

  it('touches only the views that a change concerns, and says only what is different', async () => {
    await put(
      thing('x', '1', selector({ match_labels: { tier: 'x' } })),
      thing('y', '1', selector({ match_labels: { tier: 'y' } })),
    );
    const [x, y] = [attach('p1', { tier: 'x' }), attach('p2', { tier: 'y' })];
    const before = [x.deltas.length, y.deltas.length];
    await put(
      thing('x', '2', selector({ match_labels: { tier: 'x' } })),
      thing('y', '1', selector({ match_labels: { tier: 'y' } })),
    );
    expect([x.deltas.length, y.deltas.length]).to.deep.equal([before[0]! + 1, before[1]]);
    expect(x.deltas.at(-1)?.upsert.map(({ version }) => version)).to.deep.equal(['2']);
    await catalog.apply({ upsert: [], remove: ['Cluster/y'] });
    expect(y.deltas.at(-1)?.remove.map(({ name }) => name)).to.deep.equal(['y']);
    expect(x.names()).to.deep.equal(['Cluster/x']);
  });

  it('changes a view in place where all of its proxies see something new', async () => {
    await put(thing('all', '1'));
    const view = attach('p1', { tier: 'x' });
    attach('p2', { tier: 'x' });
    await put(thing('x', '1', selector({ match_labels: { tier: 'x' } })));
    expect([moved, view.names()]).to.deep.equal([[], ['Cluster/all', 'Cluster/x']]);
    await catalog.apply({ upsert: [], remove: ['Cluster/x'] });
    expect([moved, view.names()]).to.deep.equal([[], ['Cluster/all']]);
    expect(views).to.have.length(1);
  });

  it('moves proxies that see something that others do not, and back', async () => {
    await put(thing('all', '1'));
    const view = attach('p1', { tier: 'x' });
    attach('p2');
    await put(thing('x', '1', selector({ match_labels: { tier: 'x' } })));
    expect(moved).to.deep.equal([['p1', ['Cluster/all', 'Cluster/x']]]);
    await catalog.apply({ upsert: [], remove: ['Cluster/x'] });
    expect(moved[1]).to.deep.equal(['p1', ['Cluster/all']]);
    expect(catalog.viewOf('p1')).to.equal(catalog.viewOf('p2'));
    expect(view.names()).to.deep.equal(['Cluster/all']);
  });

  it('moves a proxy whose labels changed', async () => {
    await put(thing('x', '1', selector({ match_expressions: [{ key: 'tier', operator: 'In', values: ['x'] }] })));
    attach('p1');
    const view = attach('p1', { tier: 'x' });
    expect(view.names()).to.deep.equal(['Cluster/x']);
    expect(moved).to.deep.equal([['p1', ['Cluster/x']]]);
    expect(catalog.find('Cluster/x')?.audiences.map(({ size }) => size)).to.deep.equal([1]);
  });

  it('pauses between views, and gives whoever attaches then all of the old or all of the new', async () => {
    const tier = (name: string) => selector({ match_labels: { tier: name } });
    await put(thing('all', '1'), thing('x', '1', tier('x')), thing('y', '1', tier('y')));
    const [x, y] = [attach('p1', { tier: 'x' }), attach('p2', { tier: 'y' })];
    for (const view of [x, y]) {
      const applied = view.apply.bind(view);
      view.apply = (delta) => {
        applied(delta);
        for (const from = performance.now(); performance.now() < from + 10;); // as a large one takes
      };
    }
    const versions = (view: RecordingView) => view.all().map(({ name, version }) => `${name}@${version}`);
    const applying = put(thing('all', '2'), thing('more', '2'));
    expect([versions(x), versions(y)]).to.deep.equal([
      ['all@2', 'x@1', 'more@2'],
      ['all@1', 'y@1'],
    ]);
    expect(attach('p3', { tier: 'y' })).to.equal(y);
    expect(versions(attach('p4'))).to.have.members(['all@2', 'more@2']);
    await applying;
    expect(versions(y)).to.have.members(['all@2', 'y@1', 'more@2']);
  });

  it('pauses while it looks at a large change, and gives whoever attaches then all of the old', async () => {
    await put(thing('all', '1'), thing('more', '1'));
    const view = attach('p1');
    const large = (each: Translated): Translated => ({
      ...each,
      get resources() {
        for (const from = performance.now(); performance.now() < from + 10;); // as many take
        return each.resources;
      },
    });
    const own = selector({ match_labels: { tier: 'x' } });
    const applying = put(...[thing('all', '2'), thing('more', '2'), thing('x', '2', own)].map(large));
    const versions = (each: RecordingView) => each.all().map(({ name, version }) => `${name}@${version}`);
    const [known, fresh] = [attach('p2'), attach('p3', { tier: 'x' })];
    for (const each of [view, known, fresh]) expect(versions(each)).to.deep.equal(['all@1', 'more@1']);
    await applying;
    expect(versions(view)).to.deep.equal(['all@2', 'more@2']);
    expect(moved).to.deep.equal([['p3', ['Cluster/all', 'Cluster/more', 'Cluster/x']]]);
    expect(versions(recorded(catalog.viewOf('p3')))).to.deep.equal(['all@2', 'more@2', 'x@2']);
  });

  it('puts a resource that goes from one object to another, instead of taking it out', async () => {
    const view = attach('p1');
    await put(thing('a', '1'));
    const other = { ...thing('a', '1', selector({ match_ids: ['p1'] })), id: 'Route/owner' };
    await catalog.apply({ upsert: [other], remove: ['Cluster/a'] });
    expect(view.names()).to.deep.equal(['Cluster/a']);
    expect(view.deltas).to.have.length(1);
  });

  it('takes a part of the proxies by their position', async () => {
    await put(thing('a', 'old', { cohort: { from: 2 ** 31, to: 2 ** 32 } }), {
      ...thing('a', 'new', { cohort: { from: 0, to: 2 ** 31 } }),
      id: 'r|Cluster/a',
    });
    const versions = Array.from({ length: 40 }, (_, index) => attach(`p${index}`).all()[0]?.version);
    expect(new Set(versions)).to.deep.equal(new Set(['old', 'new']));
    const again = new AudienceCatalog({ createView: () => new RecordingView(), observe: () => {} });
    await again.apply({ upsert: [thing('a', 'new', { cohort: { from: 0, to: 2 ** 31 } })], remove: [] });
    const same = versions.map((_, index) => recorded(again.attach(nodeFacts(`p${index}`))).all()[0]?.version ?? 'old');
    expect(same).to.deep.equal(versions);
    again.close();
  });

  it('makes views anew after a change that came to no end', async () => {
    const some = selector({ match_ids: ['p1'] });
    await put(thing('a', '1'), thing('b', '1'), thing('x', '1', some));
    attach('p1');
    attach('p2');
    const [broken] = views;
    broken!.apply = () => {
      throw new Error('broken');
    };
    const change = {
      upsert: [thing('a', '2'), thing('y', '1', selector({ match_ids: ['p2'] }))],
      remove: ['Cluster/b'],
    };
    const error: unknown = await catalog.apply(change).catch((thrown: unknown) => thrown);
    expect(String(error)).to.contain('broken');
    moved = [];
    // The same again, and what came since then.
    await catalog.apply({ ...change, remove: [...change.remove, 'Cluster/x'] });
    expect(moved).to.have.deep.members([
      ['p1', ['Cluster/a']],
      ['p2', ['Cluster/a', 'Cluster/y']],
    ]);
    expect(
      recorded(catalog.viewOf('p1'))
        .all()
        .map(({ version }) => version),
    ).to.deep.equal(['2']);
    moved = [];
    await put(thing('a', '3'));
    expect([moved, recorded(catalog.viewOf('p2')).deltas.length]).to.deep.equal([[], 2]); // the usual way again
  });

  it('forgets views that nobody looks at', async () => {
    await put(thing('x', '1', selector({ match_ids: ['p1'] })));
    attach('p1');
    attach('p2');
    expect(catalog.views).to.equal(2);
    catalog.detach('p1');
    await until('the view to go', () => catalog.views === 1);
    expect(attach('p1').names()).to.deep.equal(['Cluster/x']);
  });
});

describe('the pace of changes', () => {
  function pacer(current: Translated[] = []) {
    const applied: string[][] = [];
    const made = new Pacer({
      apply: ({ upsert, remove }) => {
        applied.push([...upsert.map(({ id, version }) => `${id}@${version}`), ...remove]);
        return Promise.resolve();
      },
      current: (id) => current.find((each) => each.id === id),
      log: silentLogger,
      endpointsQuietMs: 1,
      configurationQuietMs: 60_000,
      longestMs: 120_000,
    });
    return { made, applied };
  }

  it('lets endpoints through at once while configuration waits', async () => {
    const { made, applied } = pacer();
    made.take({ upsert: [thing('c', '1', {}, 'ClusterLoadAssignment')], remove: [] }, 3);
    await until('endpoints', () => applied.length === 1);
    expect(made.revision).to.equal(3);
    made.take({ upsert: [thing('c', '1')], remove: [] }, 4);
    expect([applied.length, made.revision]).to.deep.equal([1, 3]);
    made.take({ upsert: [thing('d', '1', {}, 'ClusterLoadAssignment')], remove: [] }, 5);
    await until('the other endpoints', () => applied.length === 2);
    expect(applied[1]).to.deep.equal(['ClusterLoadAssignment/d@1']);
    expect(made.revision).to.equal(3); // the configuration of 4 still waits
    made.take({ upsert: [], remove: [] }, 6);
    expect(made.revision).to.equal(3);
    await made.flush();
    expect([applied[2], made.revision]).to.deep.equal([['Cluster/c@1'], 6]);
    await made.close();
  });

  it('tries again what failed, says so once, and counts it', async () => {
    const applied: string[][] = [];
    const log = recordingLog();
    let broken = 3;
    const made = new Pacer({
      apply: ({ upsert, remove }) => {
        applied.push([...upsert.map(({ id, version }) => `${id}@${version}`), ...remove].sort());
        return broken-- > 0 ? Promise.reject(new Error('broken')) : Promise.resolve();
      },
      current: () => undefined,
      log,
      endpointsQuietMs: 1,
      configurationQuietMs: 1,
      retryMs: 5,
    });
    // Who asks for it hears of it; what comes by itself is nobody's to catch.
    made.take({ upsert: [thing('a', '1'), thing('b', '1')], remove: ['Cluster/gone'] }, 1);
    const error: unknown = await made.flush().catch((thrown: unknown) => thrown);
    expect([String(error), made.revision, made.failures]).to.deep.equal(['Error: broken', -1, 1]);
    made.take({ upsert: [thing('b', '2')], remove: ['Cluster/a'] }, 2);
    await until('the end', () => made.revision === 2);
    expect(applied).to.deep.equal([
      ['Cluster/a@1', 'Cluster/b@1', 'Cluster/gone'],
      ...Array.from({ length: 3 }, () => ['Cluster/a', 'Cluster/b@2', 'Cluster/gone']),
    ]);
    expect([made.failures, log.lines.map(({ level }) => level)]).to.deep.equal([3, ['error', 'info']]);
    await made.close();
  });

  it('has reached what came with nothing to apply while something was applied', async () => {
    let done = (): void => undefined;
    const made = new Pacer({
      apply: () => new Promise((resolve) => (done = resolve)),
      current: () => undefined,
      log: silentLogger,
    });
    made.take({ upsert: [thing('c', '1')], remove: [] }, 3);
    const flushed = made.flush();
    made.take({ upsert: [], remove: [] }, 4);
    expect(made.revision).to.equal(-1);
    done();
    await flushed;
    expect(made.revision).to.equal(4);
    await made.close();
  });

  it('keeps endpoints with configuration of the same object that waits', async () => {
    const current = [thing('c', '0')];
    const { made, applied } = pacer(current);
    const both = (cluster: string, endpoints: string) => {
      const base = thing('c', cluster);
      const [assignment] = thing('c', endpoints, {}, 'ClusterLoadAssignment').resources;
      return { ...base, version: `${cluster}${endpoints}`, resources: [...base.resources, assignment!] };
    };
    current[0] = both('0', '0');
    made.take({ upsert: [both('0', '1')], remove: [] }, 1);
    made.take({ upsert: [both('1', '1')], remove: [] }, 2);
    made.take({ upsert: [both('1', '2')], remove: [] }, 3);
    made.take({ upsert: [thing('d', '1', {}, 'ClusterLoadAssignment')], remove: [] }, 4);
    await until('other endpoints', () => applied.length === 1);
    await made.flush();
    expect(applied).to.deep.equal([['ClusterLoadAssignment/d@1'], ['Cluster/c@12']]);
    await made.close();
  });

  it('lets endpoints wait as configuration does where others get them, or a resource goes', async () => {
    const [a, b] = [thing('a', '1', {}, 'ClusterLoadAssignment'), thing('b', '1', {}, 'ClusterLoadAssignment')];
    const two = { ...a, resources: [...a.resources, ...b.resources] };
    const { made, applied } = pacer([two]);
    made.take({ upsert: [{ ...two, audienceKey: 'other' }], remove: [] }, 1);
    await made.flush();
    const less = pacer([two]);
    made.take({ upsert: [{ ...two, audienceKey: 'other' }], remove: [] }, 2);
    less.made.take({ upsert: [a], remove: [] }, 2);
    // What is urgent, and came later, is first.
    const urgent = pacer();
    urgent.made.take({ upsert: [b], remove: [] }, 1);
    await until('endpoints', () => urgent.applied.length === 1);
    expect([applied.length, less.applied.length]).to.deep.equal([1, 0]);
    for (const each of [made, less.made, urgent.made]) await each.close();
  });

  it('gathers changes of the same object', async () => {
    const { made, applied } = pacer();
    made.take({ upsert: [thing('a', '1'), thing('b', '1')], remove: [] }, 1);
    made.take({ upsert: [thing('a', '2')], remove: ['Cluster/b'] }, 2);
    await made.flush();
    expect(applied).to.deep.equal([['Cluster/a@2', 'Cluster/b']]);
    await made.close();
  });

  it('waits no longer than it may, however often something changes', async () => {
    const { applied } = pacer();
    const made = new Pacer({
      apply: () => {
        applied.push([]);
        return Promise.resolve();
      },
      current: () => undefined,
      log: silentLogger,
      configurationQuietMs: 60_000,
      longestMs: 5,
    });
    made.take({ upsert: [thing('a', '1')], remove: [] }, 1);
    made.take({ upsert: [thing('a', '2')], remove: [] }, 1);
    await until('the flush', () => applied.length === 1);
    await made.close();
  });
});
