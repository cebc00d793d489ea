import { expect } from 'chai';
import { decodeConfig, emptySnapshot } from '../../../../config/decode.ts';
import type { ConfigDelta, ConfigSnapshot, Kind } from '../../../../config/snapshot.ts';
import type { AnyProtocol } from '../../../../dataplane/core/protocol.ts';
import { ProtocolRegistry } from '../../../../dataplane/runtime/protocols.ts';
import { type LiveCluster, Reconciler } from '../../../../dataplane/runtime/reconciler.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { until } from '../../../support/until.ts';

/** What happens, in order. */
let events: string[];
/** The listeners that doors were made for. */
let doors: string[];
/** Listeners and clusters of these names fail. */
let broken: Set<string>;
let reconciler: Reconciler<LiveCluster>;

const protocol: AnyProtocol = {
  name: 'TCP',
  listener: ({ name, spec }: { name: string; spec: { port: number } }) => ({
    address: `at ${spec.port}`,
    start: () => {
      if (broken.has(name)) return Promise.reject(new Error('no'));
      events.push(`start ${name} ${spec.port}`);
      return Promise.resolve();
    },
    close: () => {
      events.push(`close ${name} ${spec.port}`);
      return Promise.resolve();
    },
  }),
  connector: ({ name }) => {
    if (broken.has(name)) throw new Error('no connector');
    return { connect: () => Promise.reject(new Error('not asked')) };
  },
};

function makeCluster(config: LiveCluster['config']): LiveCluster {
  const cluster = {
    config,
    pending: false,
    transparent: false,
    update: (next: LiveCluster['config']) => (cluster.config = next),
    start: () => undefined,
    close: () => Promise.resolve(),
    hasOther: () => false,
    open: () => {
      throw new Error('not asked');
    },
  };
  return cluster;
}

/** What the control plane gives. */
function given(config: object): ConfigDelta {
  const { value } = decodeConfig(config, { source: 'controlplane' });
  if (value === undefined) throw new Error('the configuration has faults');
  return { upsert: value, remove: [] };
}

function local(config: object): ConfigSnapshot {
  const { value } = decodeConfig(config);
  if (value === undefined) throw new Error('the configuration has faults');
  return value;
}

const listener = (name: string, port: number, rules = 'rl') => ({ name, spec: { protocol: 'TCP', port }, rules });
const rest = {
  rulelists: [{ name: 'rl', rules: ['r'] }],
  rules: [{ name: 'r', action: { route: 'rt' } }],
  routes: [{ name: 'rt', destination: 'c' }],
};
const cluster = (name: string) => ({ name, spec: { protocol: 'TCP', port: 1 } });

describe('listeners of a control plane', () => {
  const make = (warmingLimit: number): void => {
    const registry = new ProtocolRegistry(() => Promise.resolve(protocol), {} as never, silentLogger, {
      get: (name) => reconciler.get(name),
      watch: (changed) => reconciler.watch(changed),
    });
    reconciler = new Reconciler<LiveCluster>(
      {
        protocols: registry,
        makeCluster,
        makeDoor: ({ name }) => {
          doors.push(name);
          return {
            configure: ({ rules }) => events.push(`door ${name} ${rules}`),
            accept: () => true,
            refused: () => undefined,
          };
        },
        controlPlane: true,
        warmingLimit,
        log: silentLogger,
      },
      emptySnapshot(),
    );
  };
  const apply = (config: object): Promise<void> => reconciler.apply(given(config), 'controlplane');
  beforeEach(() => {
    events = [];
    doors = [];
    broken = new Set();
    make(60_000);
  });
  afterEach(() => reconciler.close());

  it('wait for their rule list, rules, routes and clusters, each named', async () => {
    await apply({ listeners: [listener('in', 1)] });
    const reasons = [reconciler.servingOf('Listener', 'in')?.reason];
    for (const part of [
      { rulelists: rest.rulelists },
      { rules: rest.rules },
      { routes: rest.routes },
      { clusters: [cluster('c')] },
    ]) {
      expect(events).to.deep.equal([]);
      await apply(part);
      reasons.push(reconciler.servingOf('Listener', 'in')?.reason);
    }
    expect(reasons).to.deep.equal([
      'waits for rule list rl',
      'waits for rule r',
      'waits for route rt',
      'waits for cluster c',
      undefined,
    ]);
    expect(events).to.deep.equal(['door in rl', 'start in 1']);
    expect(reconciler.servingOf('Listener', 'in')).to.deep.equal({ state: 'serving' });
  });

  it('start without them after the limit', async () => {
    make(20);
    await apply({ listeners: [listener('in', 1)] });
    expect(events).to.deep.equal([]);
    await until('the start', () => events.includes('start in 1'));
  });

  it('that were served before in an earlier process start without them at once, and later ones wait', async () => {
    await reconciler.apply({ ...given({ listeners: [listener('in', 1)] }), servedBefore: true }, 'controlplane');
    expect(events).to.deep.equal(['door in rl', 'start in 1']);
    expect(reconciler.servingOf('Listener', 'in')).to.deep.equal({ state: 'degraded', reason: 'lacks rule list rl' });
    await apply({ listeners: [listener('next', 2)] });
    expect(reconciler.servingOf('Listener', 'next')?.reason).to.equal('waits for rule list rl');
  });

  it('lack what is gone, and serve all else', async () => {
    await apply({
      listeners: [listener('in', 1), listener('bare', 2)],
      clusters: [cluster('c'), cluster('d')],
      ...rest,
    });
    const remove = (name: string): ConfigDelta => ({ upsert: {}, remove: [{ kind: 'Cluster', name }] });
    const states = () =>
      (['Listener in', 'RuleList rl', 'Rule r', 'Route rt'] as const).map((id) => {
        const [kind, name] = id.split(' ') as [Kind, string];
        return reconciler.servingOf(kind, name);
      });
    const serving = { state: 'serving' };
    const degraded = { state: 'degraded', reason: 'lacks cluster c' };
    await reconciler.apply(remove('d'), 'controlplane');
    expect(states()).to.deep.equal([serving, serving, serving, serving]);
    events = [];
    await reconciler.apply(remove('c'), 'controlplane');
    // Of a listener all that its sessions come to counts; of others what they name themselves.
    expect(states()).to.deep.equal([degraded, serving, serving, degraded]);
    expect(events).to.deep.equal([]); // it goes on listening
    await apply({ clusters: [cluster('c')] });
    expect(states()).to.deep.equal([serving, serving, serving, serving]);
    // One that can't be made is as good as none.
    await reconciler.apply(remove('c'), 'controlplane');
    broken.add('c');
    await apply({ clusters: [cluster('c')] });
    expect(states()).to.deep.equal([degraded, serving, serving, degraded]);
  });

  it('keep the rules that they have until the next ones are there', async () => {
    await apply({ listeners: [listener('in', 1)], clusters: [cluster('c')], ...rest });
    events = [];
    await apply({ listeners: [listener('in', 1, 'next')] });
    expect(events).to.deep.equal([]); // it goes on with the rules that it has
    await apply({ rulelists: [{ name: 'next', rules: ['r'] }] });
    expect(events).to.deep.equal(['door in next']);
  });

  it('that are made anew keep their door, and so the sessions that count against their limits', async () => {
    await apply({ listeners: [listener('in', 1)], clusters: [cluster('c')], ...rest });
    await apply({ listeners: [listener('in', 2)] });
    expect(events).to.include.members(['close in 1', 'start in 2']);
    expect(doors).to.deep.equal(['in']);
  });

  it('that can not listen leave the one before, and all others, alone', async () => {
    await apply({ listeners: [listener('in', 1)], clusters: [cluster('c')], ...rest });
    broken.add('in');
    events = [];
    await apply({ listeners: [listener('in', 2), listener('other', 3)] });
    expect(reconciler.servingOf('Listener', 'in')).to.deep.equal({ state: 'failed', reason: 'INTERNAL: no' });
    expect(events).to.include('start other 3');
    broken.clear();
    await until('another attempt', () => events.includes('start in 2'));
    expect(reconciler.servingOf('Listener', 'in')?.state).to.equal('serving');
  });

  it('do not fail a change, nor do clusters; those of the file do', async () => {
    broken.add('c');
    await apply({ clusters: [cluster('c'), cluster('d')] });
    expect(reconciler.servingOf('Cluster', 'c')).to.deep.equal({ state: 'failed', reason: 'INTERNAL: no connector' });
    expect([...reconciler.live.clusters.keys()]).to.deep.equal(['d']);
    broken.add('mine');
    const error = await reconciler.replace(local({ clusters: [cluster('mine')] })).catch((thrown: unknown) => thrown);
    expect(String(error)).to.include('clusters.mine');
    broken.clear();
    await reconciler.replace(local({ clusters: [cluster('mine')] }));
    expect([...reconciler.live.clusters.keys()]).to.have.members(['c', 'd', 'mine']);
    expect(reconciler.servingOf('Cluster', 'c')).to.deep.equal({ state: 'serving' });
  });

  it('can not be changed by others, nor can it change the objects of others', async () => {
    await reconciler.replace(local({ clusters: [cluster('mine')] }));
    await apply({ clusters: [cluster('c')] });
    const failure = (task: Promise<void>): Promise<string> => task.then(() => '', String);
    const remove = (name: string): ConfigDelta => ({ upsert: {}, remove: [{ kind: 'Cluster', name }] });
    expect(await failure(reconciler.apply(remove('c')))).to.include('"c", managed by the control plane');
    expect(await failure(reconciler.apply(remove('mine'), 'controlplane'))).to.include('clusters.mine: expected');
    expect([...reconciler.snapshot.clusters.keys()]).to.deep.equal(['mine', 'c']);
  });
});
