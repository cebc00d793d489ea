/** What several control planes at one store know of each other's proxies, and wait for. */
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { StoreError } from '../../../../controlplane/core/store.ts';
import { Others } from '../../../../controlplane/status/others.ts';
import { APPLY, FIRST_PAGE, object, type Rig, startRig } from '../../../support/controlplane.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { until } from '../../../support/until.ts';

const CLUSTER = { spec: { protocol: 'UDP', port: 1 }, endpoints: ['10.0.0.1'] };
const KEY = { kind: 'Cluster', name: 'c' };
const SILENT = new StoreError('UNAVAILABLE', 'no network');

describe('replicas', () => {
  let one: Rig;
  let two: Rig;

  const start = (id: string, store = new MemoryStore(), silence = 60_000, forget = 1500): Promise<Rig> =>
    startRig({ replicated: true, replicas: { interval: 5, silence, forget }, store, id });

  beforeEach(async () => {
    one = await start('cp-1');
    two = await start('cp-2', new MemoryStore(one.store.disk));
  });
  afterEach(async () => {
    await two.close();
    await one.close();
  });

  const apply = (...objects: ReturnType<typeof object>[]) => one.call<m.ApplyResponse>('Apply', { ...APPLY, objects });
  const proxiesOf = async (rig: Rig): Promise<string> => {
    const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', FIRST_PAGE);
    return proxies.map(({ id, control_plane: at }) => `${id} at ${at}`).join(', ');
  };
  const knows = (rig: Rig, proxies: string): Promise<boolean> =>
    until(proxies, async () => (await proxiesOf(rig)) === proxies);
  const status = async (rig: Rig): Promise<string> => {
    const { object: shown } = await rig.call<m.GetResponse>('Get', { key: KEY });
    const { selected, acked, failed } = shown!.status!;
    return [selected, acked, failed.map(({ proxy }) => proxy)].join();
  };
  const shows = (rig: Rig, wanted: string): Promise<boolean> =>
    until(wanted, async () => (await status(rig)) === wanted);

  it('answer for the proxies of each other, and forget one that is gone', async () => {
    await apply(object('Cluster', 'c', CLUSTER));
    const proxies = [one.proxy('edge-1'), two.proxy('edge-2')];
    await until('the views', () => proxies.every(({ view }) => view.names().length === 2));
    for (const proxy of proxies) proxy.ack();
    proxies[1]!.nack(typeUrlOf('Cluster'), 'c: no');
    await shows(one, '2,2,edge-2');
    await shows(two, '2,2,edge-2');
    await knows(one, 'edge-1 at cp-1, edge-2 at cp-2');
    await two.configuration.close();
    await shows(one, '1,1,');
  });

  it('write nothing at rest, and live, at a store that tells who lives', async () => {
    const { disk } = new MemoryStore();
    const signs = new Set<() => void>();
    const SILENCE_MS = 300;
    const rigs = await Promise.all(['a', 'b'].map((id) => start(id, new MemoryStore(disk, signs), SILENCE_MS, 60_000)));
    const [a, b] = rigs as [Rig, Rig];
    let sign: NodeJS.Timeout | undefined;
    try {
      b.proxy('edge-1');
      await knows(a, 'edge-1 at b');
      sign = setInterval(() => signs.forEach((hear) => hear()), 20);
      const last = { transactions: -1, at: 0 };
      await until('rest', () => {
        if (disk.transactions !== last.transactions)
          Object.assign(last, { transactions: disk.transactions, at: Date.now() });
        return Date.now() > last.at + SILENCE_MS;
      });
      const { transactions } = disk;
      const over = Date.now() + 2 * SILENCE_MS;
      await until('twice the silence', async () => {
        expect(await proxiesOf(a)).to.equal('edge-1 at b');
        return Date.now() > over;
      });
      expect(disk.transactions).to.equal(transactions);
      clearInterval(sign);
      await knows(a, '');
    } finally {
      clearInterval(sign);
      await Promise.all(rigs.map((rig) => rig.close()));
    }
  });

  it('count a proxy once that comes from one that was killed, and is not known to be gone', async () => {
    // Nobody forgets what it has said.
    const { disk } = new MemoryStore();
    const [first, second, killed] = await Promise.all(
      ['cp-1', 'cp-2', 'cp-3'].map((id) => start(id, new MemoryStore(disk), 60_000, 60_000)),
    );
    try {
      await first!.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
      const connect = async (rigs: readonly Rig[]): Promise<void> => {
        const proxies = rigs.map((rig, index) => rig.proxy(`edge-${index}`));
        await until('the views', () => proxies.every(({ view }) => view.names().length === 2));
        for (const proxy of proxies) proxy.ack();
      };
      await connect([killed!, killed!]);
      await shows(first!, '2,2,');
      killed!.store.failure = SILENT;
      await connect([first!, second!]);
      for (const rig of [first!, second!]) {
        await shows(rig, '2,2,');
        await knows(rig, 'edge-0 at cp-1, edge-1 at cp-2');
      }
    } finally {
      for (const rig of [killed!, second!, first!]) await rig.close();
    }
  });

  it('count a proxy once that has gone from one that was killed to another', async () => {
    const three = await start('cp-3', new MemoryStore(one.store.disk));
    const waitFor = (rig: Rig, least: number) =>
      rig.stream<m.WaitAppliedResponse>('WaitApplied', { keys: [], condition: '', min_proxies: least, revision: 0 });
    try {
      two.proxy('edge-1');
      await knows(three, 'edge-1 at cp-2');
      one.proxy('edge-1'); // cp-2 has not said that it is gone
      await knows(three, 'edge-1 at cp-1');
      for (const rig of [one, three]) {
        await knows(rig, 'edge-1 at cp-1');
        for await (const { done } of waitFor(rig, 1)) if (done) break;
        for await (const { done } of waitFor(rig, 2)) {
          expect(done).to.equal(false);
          break;
        }
      }
    } finally {
      await three.close();
    }
  });

  it('say so where two have one name', async () => {
    const said = (rig: Rig) => rig.log.lines.filter(({ message }) => message.includes('the same --id')).length;
    await until('both to have said something', () => one.store.disk.entries.size >= 2);
    const twin = await start('cp-1', new MemoryStore(one.store.disk));
    try {
      await until('both to say so', () => said(one) === 1 && said(twin) === 1);
      expect(said(two)).to.equal(0);
    } finally {
      await twin.close();
    }
  });

  it('say again what somebody else has written over with what nobody can read', async () => {
    const key = 'status/cp-1/beat';
    for (const [value, error] of [
      ['{', 'SyntaxError'],
      ['null', 'TypeError'],
    ] as const) {
      await until('it to be told', async () => {
        await two.store.transact([], [{ type: 'put', key, value: Buffer.from(value) }]);
        return one.log.lines.some(({ fields }) => fields['key'] === key && String(fields['error']).startsWith(error));
      });
    }
    await until('a heartbeat', () => one.store.disk.entries.get(key)?.value.includes('"run"'));
  });

  describe('wait for each other', () => {
    const wait = (rig = one, revision = 0) => {
      const request = { keys: [KEY], condition: 'acked', revision, min_proxies: 0 };
      return rig.stream<m.WaitAppliedResponse>('WaitApplied', request)[Symbol.asyncIterator]();
    };
    type Waiting = ReturnType<typeof wait>;
    const next = async (waiting: Waiting): Promise<string> => {
      const { done, selected, reached, behind } = (await waiting.next()).value as m.WaitAppliedResponse;
      return [done ? 'all' : 'not all', `${reached} of ${selected}`, ...behind].join(', ');
    };

    it('until all have said how far their proxies are with what was applied', async () => {
      const proxy = two.proxy('edge-2');
      await knows(one, 'edge-2 at cp-2');
      two.store.failure = SILENT;
      const { revision } = await apply(object('Cluster', 'c', CLUSTER));
      await until('the views', () => one.configuration.figures().revision >= revision);
      const waiting = wait(one, revision);
      expect(await next(waiting)).to.equal('not all, 0 of 0, cp-2');
      two.store.failure = undefined;
      expect(await next(waiting)).to.equal('not all, 0 of 1');
      proxy.ack();
      expect(await next(waiting)).to.equal('all, 1 of 1');
    });

    it('where nothing but the revision is new', async () => {
      const { revision } = await apply(object('Cluster', 'c', CLUSTER));
      const waiting = wait(one, revision);
      let last = '';
      await until('both', async () => (last = await next(waiting)).startsWith('all'));
      expect(last).to.equal('all, 0 of 0');
    });

    it('but not for one that has fallen silent', async () => {
      const three = await start('cp-3', new MemoryStore(one.store.disk), 1000);
      try {
        two.proxy('edge-2');
        await knows(three, 'edge-2 at cp-2');
        two.store.failure = SILENT;
        const { revision } = await apply(object('Cluster', 'c', CLUSTER));
        const waiting = wait(three, revision);
        let last = '';
        await until('all', async () => (last = await next(waiting)).startsWith('all'));
        expect(last).to.equal('all, 0 of 0');
      } finally {
        await three.close();
      }
    });
  });

  it('take a rollout from step to step when all have said how far theirs are', async () => {
    const rule = (route: string) => object('Rule', 'r', { action: { route } });
    await apply(rule('old'));
    const proxies = ['a', 'b'].map((name) => two.proxy(`edge-${name}`));
    const routes = (): string => {
      const found = proxies.map(({ view }) => view.all()[0]?.value.toString('latin1') ?? '');
      return found
        .map((value) => /new|old/u.exec(value)?.[0])
        .sort()
        .join(' ');
    };
    await until('the old rule', () => routes() === 'old old');
    for (const proxy of proxies) proxy.ack();
    await knows(one, 'edge-a at cp-2, edge-b at cp-2');
    two.store.failure = SILENT;
    const rollout = { percent: [50], pause: 0, max_failures: 0, manual: false };
    const { rollout: id } = await one.call<m.ApplyResponse>('Apply', { ...APPLY, objects: [rule('new')], rollout });
    const state = async (): Promise<string> => {
      const { rollouts } = await one.call<m.ListRolloutsResponse>('ListRollouts', FIRST_PAGE);
      return rollouts.find((each) => each.id === id)!.state;
    };
    two.store.failure = undefined;
    for (const wanted of ['new old', 'new new']) {
      await until(wanted, () => routes() === wanted);
      expect(await state()).to.equal('progressing');
      for (const proxy of proxies) proxy.ack();
    }
    await until('its end', async () => (await state()) === 'completed');
  });

  describe('say what they know in as many values as it takes', () => {
    /** As much as etcd takes. */
    const ETCD = { operations: 128, bytes: 1.5 * 1024 * 1024 };
    const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `edge-${i}`).sort();
    const many = (count: number) => names(count).map((id) => two.proxy(id, { large: id.repeat(8000) }));
    const all = (count: number) =>
      knows(
        one,
        names(count)
          .map((id) => `${id} at cp-2`)
          .join(', '),
      );

    it('and transactions, and write again what changed', async () => {
      two.store.most = ETCD;
      const proxies = many(50);
      await all(50);
      await apply(object('Cluster', 'c', CLUSTER));
      await until('the views', () => proxies.every(({ view }) => view.names().length === 2));
      await shows(one, '50,0,');
      await until('the revision', () => two.configuration.figures().revision === one.configuration.figures().revision);
      const { disk } = one.store;
      const since = disk.revision;
      proxies[0]!.nack(typeUrlOf('Cluster'), 'c: no');
      await shows(one, '50,0,edge-0');
      const events = disk.changes.filter(({ revision }) => revision > since).flatMap((change) => change.events);
      const written = events.flatMap((event) => (event.type === 'put' ? event.entry.key : []));
      expect(new Set(written.filter((key) => key.startsWith('status/cp-2/proxies/')))).to.have.property('size', 1);
      proxies.slice(1).forEach((proxy) => proxy.leave());
      await knows(one, 'edge-0 at cp-2');
      const left = [...disk.entries.keys()].filter((key) => key.startsWith('status/cp-2/proxies/'));
      expect(left).to.have.property('length', 1);
    });

    it('with less in each where the store takes less, and say what is too large for it', async () => {
      two.store.most = { operations: 5, bytes: 100_000 };
      two.proxy('large', { large: 'a'.repeat(150_000) });
      many(10);
      await all(10);
      await until('it to be written', () => two.log.lines.some(({ message }) => message.endsWith('written again')));
      const warnings = two.log.lines.filter(({ level }) => level === 'warn');
      expect(warnings[0]?.fields['error']).to.match(/^\d+ operations, \d+ bytes$/u);
      expect(warnings.at(-1)?.fields).to.include({ entries: 1, first: 'proxies/large' });
      expect(warnings.length).to.be.below(20); // none for each try
    });
  });

  describe('when a backup is restored', () => {
    /** As etcd does: watches are told only that all is to be listed again. */
    const restore = (entries: ReadonlyMap<string, string>): void => {
      const { disk } = one.store;
      for (const key of disk.entries.keys()) if (key.startsWith('status/')) disk.entries.delete(key);
      const revision = ++disk.revision;
      for (const [key, value] of entries) {
        disk.entries.set(key, { key, value: Buffer.from(value), createRevision: revision, modRevision: revision });
      }
      void one.store.compact(revision);
    };
    const proxy = (id: string, at: string): string => JSON.stringify({ [id]: { id, control_plane: at, types: [] } });

    it('say again what is not there any more, and take back what is not so any more', async () => {
      two.proxy('edge-2');
      await knows(one, 'edge-2 at cp-2');
      const at = new Date(0).toISOString();
      restore(
        new Map([
          ['status/cp-2/proxies/99/0', proxy('ghost', 'cp-2')],
          ['status/cp-2/beat', JSON.stringify({ at, revision: 1 })],
        ]),
      );
      const { entries } = one.store.disk;
      await until('the old part to go', () => !entries.has('status/cp-2/proxies/99/0'));
      await knows(one, 'edge-2 at cp-2');
    });

    it('delete what those said that are gone for good', async () => {
      const three = await startRig({
        ...{ replicated: true, replicas: { interval: 5, silence: 60_000, forget: 500 } },
        ...{ store: new MemoryStore(one.store.disk), id: 'cp-3' },
      });
      try {
        two.proxy('edge-2');
        await knows(three, 'edge-2 at cp-2');
        restore(
          new Map([
            ['status/cp-9/proxies/99/0', proxy('ghost', 'cp-9')],
            ['status/cp-9/beat', JSON.stringify({ at: new Date(0).toISOString(), revision: 1 })],
          ]),
        );
        const { entries } = one.store.disk;
        await until('it to go', () => ![...entries.keys()].some((key) => key.startsWith('status/cp-9/')));
        await knows(three, 'edge-2 at cp-2');
        await knows(one, 'edge-2 at cp-2');
      } finally {
        await three.close();
      }
    });
  });

  it('are heard as a whole, with their heartbeat', () => {
    const others = new Others(60_000);
    const known = (): string => [...others.alive()].flatMap(([, each]) => [...each.entries('proxies').keys()]).join();
    const part = (...ids: string[]) => Object.fromEntries(ids.map((id) => [id, {}]));
    const beat = (revision: number): void => others.put('cp-2', 'beat', { at: '', revision }, revision, false);
    others.put('cp-2', 'proxies/00/0', part('a', 'b'), 1, false);
    expect(known()).to.equal('');
    beat(2);
    expect(known()).to.equal('a,b');
    others.put('cp-2', 'proxies/00/0', part('a'), 3, false);
    others.put('cp-2', 'proxies/00/1', part('b', 'c'), 4, false);
    expect(known()).to.equal('a,b');
    beat(5);
    expect(known()).to.equal('a,b,c');
    others.remove('cp-2', 'proxies/00/0');
    beat(6);
    expect(known()).to.equal('b,c');
    others.remove('cp-2', 'beat');
    expect(known()).to.equal('');
  });
});
