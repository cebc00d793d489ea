/** Rollouts, step by step, and what ends them. */
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { sumMeasures } from '../../../../controlplane/rollout/measure.ts';
import { thresholdOf } from '../../../../controlplane/rollout/steps.ts';
import { positionOf } from '../../../../controlplane/model/audience.ts';
import {
  APPLY,
  type FakeProxy,
  object,
  recordingLog,
  type Rig,
  startRig,
  FIRST_PAGE,
} from '../../../support/controlplane.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { until } from '../../../support/until.ts';
import type { Committer } from '../../../../controlplane/live/committer.ts';
import type { StoreMirror } from '../../../../controlplane/live/mirror.ts';
import type { RolloutRecord } from '../../../../controlplane/model/rollout-record.ts';
import { Rollouts } from '../../../../controlplane/rollout/controller.ts';

const rule = (route: string) => object('Rule', 'r', { action: { route } });

describe('a rollout', () => {
  let rig: Rig;
  let proxies: FakeProxy[];

  beforeEach(async () => {
    rig = await startRig();
    await rig.call('Apply', { ...APPLY, objects: [rule('old')] });
    proxies = Array.from({ length: 4 }, (_, index) => rig.proxy(`edge-${index}`));
    proxies.sort((one, other) => positionOf(one.facts.id) - positionOf(other.facts.id));
    await until('the old rule', () => proxies.every((each) => routeOf(each) === 'old'));
    for (const each of proxies) each.ack();
  });

  afterEach(() => rig.close());

  function routeOf(proxy: FakeProxy): string | undefined {
    const text = proxy.view.all()[0]?.value.toString('latin1');
    return /new|old|other/u.exec(text ?? '')?.[0];
  }
  const routes = (of = proxies) => of.map(routeOf).join(' ');
  const begin = async (policy: Partial<m.RolloutPolicy> = {}, objects = [rule('new')], of = rig): Promise<string> => {
    const rollout = { percent: [25, 50], pause: 0, max_failures: 0, manual: false, ...policy };
    return (await of.call<m.ApplyResponse>('Apply', { ...APPLY, objects, rollout, message: 'why' })).rollout;
  };
  const stateOf = async (id: string, of = rig): Promise<m.Rollout> => {
    const { rollouts } = await of.call<m.ListRolloutsResponse>('ListRollouts', FIRST_PAGE);
    return rollouts.find((each) => each.id === id)!;
  };
  const ended = async (id: string, of = rig): Promise<m.Rollout> => {
    const { mirror } = { mirror: of.store.disk.entries };
    const state = (): string => (JSON.parse(mirror.get(`live/rollouts/${id}`)!.value.toString()) as m.Rollout).state;
    await until('the rollout to end', () => !['progressing', 'paused'].includes(state()));
    return stateOf(id, of);
  };
  const versions = async () =>
    (await rig.call<m.ListVersionsResponse>('ListVersions', { ...FIRST_PAGE, before: 0 })).versions;

  it('goes on when all of a step have it, and is live at its end', async () => {
    const id = await begin();
    await until('the first step', () => routes() === 'new old old old');
    expect((await stateOf(id)).state).to.equal('progressing');
    expect(await versions()).to.have.length(1);
    proxies[0]!.ack();
    await until('the second step', () => routes() === 'new new old old');
    expect((await stateOf(id)).percent).to.equal(50);
    proxies[1]!.ack();
    await until('the last step', () => routes() === 'new new new new');
    for (const each of proxies) each.ack();
    const rollout = await ended(id);
    expect([rollout.state, rollout.percent, rollout.author]).to.deep.equal(['completed', 100, 'token:ci']);
    const [last] = await versions();
    expect([last?.number, last?.rollout, last?.message]).to.deep.equal([2, id, 'why']);
    await until('the object', () => rig.store.disk.entries.get('live/objects/Rule/r')!.value.includes('new'));
    expect([...rig.store.disk.entries.keys()].filter((key) => key.startsWith('live/candidates/'))).to.deep.equal([]);
    expect(routes()).to.equal('new new new new');
  });

  it('is shown by the objects that it changes, until it has ended; and next takes a step from a pause', async () => {
    const fresh = { ...rule('new'), key: { kind: 'Rule', name: 'fresh' } };
    const id = await begin({ manual: true }, [rule('new'), fresh]);
    const shown = async (): Promise<m.ObjectRollout | undefined> =>
      (await rig.call<m.GetResponse>('Get', { key: { kind: 'Rule', name: 'r' } })).object?.status?.rollout;
    await until('the first step', () => routes() === 'new old old old');
    await rig.call('ControlRollout', { id, action: 'pause' });
    await until('the pause', async () => (await shown())?.state === 'paused');
    expect(await shown()).to.deep.equal({ id, state: 'paused', percent: 25, reason: 'paused by token:ci' });
    const get = rig.call('Get', { key: fresh.key }).catch((error: unknown) => (error as Error).message);
    expect(await get).to.equal(`expected an object, found no Rule/fresh, which rollout ${id} brings: it is paused`);
    await rig.call('ControlRollout', { id, action: 'next' });
    await until('the second step', () => routes() === 'new new old old');
    await until('it to be shown', async () => (await shown())?.percent === 50);
    expect((await shown())?.state).to.equal('progressing');
    await rig.call('ControlRollout', { id, action: 'abort' });
    await until('nothing to be shown', async () => (await shown()) === undefined);
  });

  it('counts those that a new object will be for, before any of them has it', async () => {
    const fresh = { ...rule('new'), key: { kind: 'Rule', name: 'fresh' } };
    const id = await begin({ manual: true }, [fresh]);
    expect((await stateOf(id)).selected).to.equal(4);
    const having = (): number => proxies.filter((each) => each.view.names().includes('Rule/fresh')).length;
    await until('the first step', () => having() === 1);
    expect((await stateOf(id)).selected).to.equal(4);
  });

  it('goes back by itself when a proxy refuses it', async () => {
    const id = await begin();
    await until('the first step', () => routes() === 'new old old old');
    proxies[0]!.nack(typeUrlOf('Rule'), 'r: action.route: expected a route, found none');
    const rollout = await ended(id);
    expect(rollout.state).to.equal('rolled-back');
    expect(rollout.reason).to.contain(proxies[0]!.facts.id).and.contain('expected a route');
    await until('the old rule', () => routes() === 'old old old old');
    expect(await versions()).to.have.length(1);
  });

  it('goes back when a proxy that has it is gone', async () => {
    const id = await begin({ pause: 60_000 });
    await until('the first step', () => routes() === 'new old old old');
    // Seen with it at least once.
    await until(
      'the new routes of the first of four proxies',
      () => rig.configuration.figures().proxies === 4 && routes() === 'new old old old',
    );
    proxies[0]!.ack();
    await stateOf(id);
    proxies[0]!.leave();
    const rollout = await ended(id);
    expect([rollout.state, rollout.failed[0]?.message]).to.deep.equal(['rolled-back', 'it is not connected any more']);
  });

  it('takes as many failures as it may', async () => {
    const id = await begin({ max_failures: 1, percent: [50] });
    await until('the first step', () => routes() === 'new new old old');
    proxies[0]!.nack(typeUrlOf('Rule'), 'no');
    proxies[1]!.ack();
    await until('the last step', () => routes() === 'new new new new');
    proxies[2]!.nack(typeUrlOf('Rule'), 'no');
    expect((await ended(id)).state).to.equal('rolled-back');
  });

  it('does as it is told', async () => {
    const control = (id: string, action: string) =>
      rig.call<m.ControlRolloutResponse>('ControlRollout', { id, action });
    const id = await begin({ manual: true });
    await until('the first step', () => routes() === 'new old old old');
    proxies[0]!.ack();
    await until('the pause', () => rig.store.disk.entries.get(`live/rollouts/${id}`)!.value.includes('"paused"'));
    await control(id, 'next');
    await until('the second step', () => routes() === 'new new old old');
    expect((await control(id, 'pause')).rollout?.state).to.equal('paused');
    expect((await control(id, 'resume')).rollout?.state).to.equal('progressing');
    expect((await control(id, 'abort')).rollout?.reason).to.equal('aborted by token:ci');
    await until('the old rule', () => routes() === 'old old old old');
    const late = await control(id, 'next').catch((error: unknown) => String(error));
    expect(late).to.contain('expected a rollout that is under way');
    const second = await begin({ manual: true });
    await control(second, 'promote');
    await until('the new rule', () => routes() === 'new new new new');
    expect((await stateOf(second)).state).to.equal('completed');
  });

  it('has ended when all have what the last step by hand brings, without a pause', async () => {
    const id = await begin({ manual: true, percent: [50], pause: 60_000 });
    await until('the first step', () => routes() === 'new new old old');
    await rig.call('ControlRollout', { id, action: 'next' });
    await until('the last step', () => routes() === 'new new new new');
    expect((await stateOf(id)).state).to.equal('progressing');
    for (const each of proxies) each.ack();
    expect((await ended(id)).state).to.equal('completed');
  });

  it('is told of each proxy: which version it is given', async () => {
    const id = await begin({ pause: 60_000 });
    await until('the first step', () => routes() === 'new old old old');
    const key = { kind: 'Rule', name: 'r' };
    const { object: old } = await rig.call<m.GetResponse>('Get', { key });
    const versions = async (): Promise<Map<string, string | undefined>> => {
      const request = { ...FIRST_PAGE, key };
      const { proxies: shown } = await rig.call<m.ListProxiesResponse>('ListProxies', request);
      return new Map(shown.map(({ id: proxy, fate }) => [proxy, fate?.version]));
    };
    const given = await versions();
    const [ahead, ...others] = proxies.map(({ facts }) => given.get(facts.id));
    expect(others).to.deep.equal(Array(3).fill(old?.version));
    expect(ahead)
      .to.match(/^[0-9a-f]+$/u)
      .and.not.to.equal(old?.version);
    await rig.call('ControlRollout', { id, action: 'abort' });
    await until('the old one again', async () => new Set((await versions()).values()).size === 1);
  });

  it('is over when the same objects are changed', async () => {
    const id = await begin({ pause: 60_000 });
    await until('the first step', () => routes() === 'new old old old');
    await rig.call('Apply', { ...APPLY, objects: [rule('other')] });
    await until('the other rule', () => routes() === 'other other other other');
    expect((await stateOf(id)).state).to.equal('superseded');
  });

  it('is over when what was there is asked for again, which is told', async () => {
    const id = await begin({ pause: 60_000 });
    await until('the first step', () => routes() === 'new old old old');
    const { changes } = await rig.call<m.ApplyResponse>('Apply', { ...APPLY, objects: [rule('old')] });
    expect(changes.map(({ action, warnings }) => [action, warnings.at(-1)?.found])).to.deep.equal([
      ['unchanged', `rollout ${id}, which has ended: superseded`],
    ]);
    await until('the old rule', () => routes() === 'old old old old');
    expect((await stateOf(id)).state).to.equal('superseded');
    expect(await versions()).to.have.length(1);
  });

  it('goes on after a restart and on another leader', async () => {
    const id = await begin();
    await until('the first step', () => routes() === 'new old old old');
    const other = await startRig({ store: new MemoryStore(rig.store.disk), id: 'cp-2' });
    try {
      await rig.configuration.close();
      const moved = proxies.map(({ facts }) => other.proxy(facts.id));
      expect(routes(moved)).to.equal('new old old old');
      for (const each of moved) each.ack();
      await until('the second step', () => routes(moved) === 'new new old old');
      for (const each of moved) each.ack();
      await until('the last step', () => routes(moved) === 'new new new new');
      for (const each of moved) each.ack();
      expect((await ended(id, other)).state).to.equal('completed');
    } finally {
      await other.close();
    }
  });

  const holding = () => proxies.map((each) => each.view.all().length).join('');

  it('takes objects out step by step, too, each when those of the step before have let go', async () => {
    const rollout = { percent: [25, 50], pause: 0, max_failures: 0, manual: false };
    const request = { ...APPLY, objects: [], replace_kinds: ['Rule'], rollout };
    const { rollout: id } = await rig.call<m.ApplyResponse>('Apply', request);
    for (const [wanted, updated] of [
      ['0111', 0],
      ['0011', 1],
      ['0000', 2],
    ] as const) {
      await until(wanted, () => holding() === wanted);
      expect(await stateOf(id)).to.include({ selected: 4, updated });
      for (const each of proxies) each.ack();
    }
    expect((await ended(id)).state).to.equal('completed');
  });

  it('takes an object step by step from those that it is not for any more', async () => {
    const narrow = {
      ...rule('new'),
      selector: { match_labels: {}, match_expressions: [], match_ids: [proxies[3]!.facts.id] },
    };
    const id = await begin({ percent: [50] }, [narrow]);
    await until('the first step', () => holding() === '0011');
    proxies[0]!.ack();
    expect(await stateOf(id)).to.include({ state: 'progressing', selected: 4, updated: 1 });
    proxies[1]!.leave();
    const rollout = await ended(id);
    expect([rollout.state, rollout.failed[0]?.proxy]).to.deep.equal(['rolled-back', proxies[1]!.facts.id]);
  });

  it('refuses a policy that makes no sense', async () => {
    const error = await begin({ percent: [50, 10], max_failures: -1 }).catch((thrown: unknown) => String(thrown));
    expect(error).to.contain('expected rising numbers of 1 to 100, found 50, 10').and.contain('rollout.max_failures');
  });
});

describe('proxies that had what a rollout brings', () => {
  const record = { id: 'r', state: 'progressing', threshold: 100 } as RolloutRecord;
  let selected: Map<string, number>;
  let connected: Set<string>;
  let rollouts: Rollouts;

  beforeEach(() => {
    selected = new Map([['edge-1', 5]]);
    connected = new Set(['edge-1']);
    rollouts = new Rollouts({
      mirror: {} as unknown as StoreMirror,
      committer: {} as unknown as Committer,
      log: recordingLog(),
      measure: () => ({ selected, updated: new Set(), failed: [], current: true }),
      isConnected: (proxy) => connected.has(proxy),
      leads: () => true,
      grace: 0,
    });
    expect(failed()).to.deep.equal([]);
  });
  const failed = (): string[] => rollouts.stateOf(record).failed.map(({ proxy }) => proxy);

  it('have failed where they are gone', () => {
    connected.clear();
    selected.clear();
    failed(); // since then
    expect(failed()).to.deep.equal(['edge-1']);
    connected.add('edge-1');
    selected.set('edge-1', 5);
    expect(failed()).to.deep.equal([]);
  });

  it('have not where they are connected with other labels, nor when they go after that', () => {
    selected.clear();
    failed();
    expect(failed()).to.deep.equal([]);
    connected.clear();
    failed();
    expect(failed()).to.deep.equal([]);
  });
});

describe('a step of a rollout', () => {
  const policy = { percent: [50], pause: 0, max_failures: 0, manual: false };
  const record = {
    id: 'r',
    state: 'progressing',
    step: -1,
    threshold: 0,
    policy,
    changes: [],
  } as unknown as RolloutRecord;

  /** Aborts a rollout where each commit does as it is told; gives what was logged by then. */
  async function abort(commit: (plan: () => unknown) => Promise<unknown>): Promise<readonly [string, ...string[]]> {
    const log = recordingLog();
    const rollouts = new Rollouts({
      mirror: { rollouts: new Map([['r', record]]) } as unknown as StoreMirror,
      committer: { commit } as unknown as Committer,
      log,
      measure: () => ({ selected: new Map([['edge-1', 5]]), updated: new Set(), failed: [], current: true }),
      isConnected: () => true,
      leads: () => true,
    });
    const result = await rollouts.control('r', 'abort', 'me').then(String, String);
    return [result, ...log.lines.map(({ message }) => message)];
  }

  it('is logged once it is made, and not where it could not be', async () => {
    const failing = async (plan: () => unknown) => {
      await plan();
      throw new Error('full');
    };
    expect(await abort(failing)).to.deep.equal(['Error: full']);
    const atSecond = async (plan: () => unknown) => {
      await plan();
      await plan(); // something else was there by then
    };
    expect(await abort(atSecond)).to.deep.equal(['true', 'the rollout goes on']);
  });

  it('is not made where the rollout has ended by the time of its second attempt', async () => {
    const ended = async (plan: () => unknown) => {
      await plan();
      Object.assign(record, { state: 'superseded' });
      await plan();
    };
    expect(await abort(ended)).to.deep.equal(['false']);
  });
});

describe('the steps of a rollout', () => {
  it('take just so many percent, rounded up', () => {
    const selected = new Map(Array.from({ length: 100 }, (_, position) => [`proxy-${position}`, position]));
    for (let percent = 1; percent < 100; percent++) expect(thresholdOf(percent, selected)).to.equal(percent);
    expect(thresholdOf(1, new Map([['only', 7]]))).to.equal(8);
  });

  describe('count a proxy once that two replicas tell of', () => {
    const fault = { proxy: 'edge', kind: 'failed', message: 'it does not listen' };
    const selected = new Map([['edge', 1]]);
    const nobody = { selected: new Map<string, number>(), updated: new Set<string>(), failed: [], current: true };
    const updated = { selected, updated: new Set(['edge']), failed: [], current: true };
    const behind = { ...updated, updated: new Set<string>() };
    const failing = { ...behind, failed: [fault] };

    it('as it is here', () => {
      for (const [here, other] of [
        [updated, behind],
        [updated, failing],
        [behind, updated],
        [failing, updated],
      ] as const) {
        expect(sumMeasures(here, [other])).to.deep.equal(here);
      }
    });

    it('as the worst, where it is not here', () => {
      expect(sumMeasures(nobody, [updated, updated])).to.deep.equal(updated);
      expect(sumMeasures(nobody, [behind, updated])).to.deep.equal(behind);
      expect(sumMeasures(nobody, [updated, failing])).to.deep.equal(failing);
    });

    it('and each of the others for itself', () => {
      const other = { selected: new Map([['core', 2]]), updated: new Set(['core']), failed: [] };
      const sum = sumMeasures(updated, [other, failing]);
      expect([...sum.selected.keys(), ...sum.updated]).to.deep.equal(['edge', 'core', 'edge', 'core']);
      expect(sum.failed).to.deep.equal([]);
    });
  });
});
