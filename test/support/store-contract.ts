/** What controlplane/core/store.ts says of every store, sentence by sentence. */
import { expect } from 'chai';
import {
  type Entry,
  type Store,
  type StoreChange,
  StoreError,
  type StoreErrorCode,
} from '../../controlplane/core/store.ts';
import { until } from './until.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Another replica of it, of a store that may have several. */
  readonly replica: () => Promise<Store>;
  /** Closes it, and opens what it left. */
  readonly reopen: () => Promise<Store>;
  /** Closes all that was opened, and removes what they left. */
  readonly close: () => Promise<void>;
}

export const bytes = (text: string): Buffer => Buffer.from(text);

export async function put(store: Store, values: Readonly<Record<string, string>>): Promise<number> {
  const operations = Object.entries(values).map(([key, value]) => ({ type: 'put', key, value: bytes(value) }) as const);
  const outcome = await store.transact([], operations);
  expect(outcome.ok).to.equal(true);
  return outcome.revision;
}

export async function remove(store: Store, ...keys: string[]): Promise<number> {
  const outcome = await store.transact(
    [],
    keys.map((key) => ({ type: 'delete', key }) as const),
  );
  expect(outcome.ok).to.equal(true);
  return outcome.revision;
}

/** Keys and values. */
export async function contents(store: Store, prefix = ''): Promise<Record<string, string>> {
  const { entries } = await store.list(prefix);
  return Object.fromEntries(entries.map(({ key, value }) => [key, value.toString()]));
}

/** The code of what is thrown. */
export async function codeOf(attempt: Promise<unknown>): Promise<StoreErrorCode | undefined> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
  return undefined;
}

/** Watches until what was heard satisfies; then all that was heard. */
export async function heard(
  store: Store,
  prefix: string,
  revision: number,
  enough: (changes: readonly StoreChange[]) => boolean,
): Promise<StoreChange[]> {
  const stop = new AbortController();
  const changes: StoreChange[] = [];
  for await (const change of store.watch(prefix, revision, stop.signal)) {
    changes.push(change);
    if (enough(changes)) stop.abort();
  }
  return changes;
}

/** A watch that is asked for its next change. */
export async function nextOf(watch: AsyncIterable<StoreChange>): Promise<StoreChange | undefined> {
  const next = await watch[Symbol.asyncIterator]().next();
  return next.done === true ? undefined : next.value;
}

const brief = ({ revision, events }: StoreChange): unknown => [
  revision,
  ...events.map((event) =>
    event.type === 'put' ? `${event.entry.key}=${event.entry.value.toString()}` : `-${event.key}`,
  ),
];

/** `replicas`: whether the store may have several. */
export function storeContract(name: string, replicas: 'one' | 'many', open: () => Promise<StoreUnderTest>): void {
  describe(`${name}: what every store does`, function () {
    this.timeout(30_000);
    let test: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      test = await open();
      store = test.store;
    });
    afterEach(() => test.close());

    it('puts, gets and deletes, each at a revision of its own', async () => {
      expect(await store.get('a')).to.equal(undefined);
      const before = await store.revision();
      const first = await put(store, { a: '1' });
      expect(first).to.be.above(before);
      expect(await store.get('a')).to.deep.equal({
        key: 'a',
        value: bytes('1'),
        createRevision: first,
        modRevision: first,
      } satisfies Entry);
      const second = await put(store, { a: '2' });
      expect(second).to.be.above(first);
      expect(await store.get('a')).to.include({ createRevision: first, modRevision: second });
      expect(await store.revision()).to.equal(second);
      expect(await remove(store, 'a')).to.be.above(second);
      expect(await store.get('a')).to.equal(undefined);
    });

    it('starts the revision that made a key anew after it was deleted', async () => {
      await put(store, { a: '1' });
      await remove(store, 'a');
      const again = await put(store, { a: '2' });
      expect(await store.get('a')).to.include({ createRevision: again, modRevision: again });
    });

    it('has bytes as values, none of them included, and any characters in keys', async () => {
      const value = Buffer.from([0, 255, 10, 0]);
      const keys = ['a b/ü/', '\u0000', '\u{1f600}', '"\n', '\uffff'];
      await store.transact(
        [],
        keys.map((key) => ({ type: 'put', key, value })),
      );
      await store.transact([], [{ type: 'put', key: 'empty', value: Buffer.alloc(0) }]);
      for (const key of keys) expect((await store.get(key))?.value.equals(value), key).to.equal(true);
      expect((await store.get('empty'))?.value.length).to.equal(0);
    });

    it('keeps its own copy of a value', async () => {
      const value = bytes('before');
      const done = store.transact([], [{ type: 'put', key: 'a', value }]);
      value.fill('x');
      await done;
      expect(await contents(store)).to.deep.equal({ a: 'before' });
    });

    it('makes all operations of a transaction at one revision', async () => {
      await put(store, { a: '1', b: '1' });
      const { ok, revision } = await store.transact(
        [],
        [
          { type: 'put', key: 'a', value: bytes('2') },
          { type: 'delete', key: 'b' },
          { type: 'put', key: 'c', value: bytes('2') },
        ],
      );
      expect(ok).to.equal(true);
      const { entries } = await store.list('');
      expect(entries.map(({ key, modRevision }) => [key, modRevision])).to.deep.equal([
        ['a', revision],
        ['c', revision],
      ]);
    });

    it('makes none where a condition fails, and names the keys', async () => {
      const revision = await put(store, { a: '1', b: '1' });
      const outcome = await store.transact(
        [
          { key: 'a', modRevision: revision },
          { key: 'b', modRevision: revision - 1 },
          { key: 'c', modRevision: revision },
          { key: 'd', modRevision: 0 },
        ],
        [
          { type: 'put', key: 'a', value: bytes('2') },
          { type: 'delete', key: 'b' },
        ],
      );
      expect(outcome).to.deep.include({ ok: false, revision });
      expect(outcome).to.have.property('failed').that.has.members(['b', 'c']);
      expect(await contents(store)).to.deep.equal({ a: '1', b: '1' });
      expect(await store.revision()).to.equal(revision);
    });

    it('takes 0 for a key that does not exist', async () => {
      const only = [{ key: 'a', modRevision: 0 }];
      const operations = [{ type: 'put', key: 'a', value: bytes('1') }] as const;
      expect((await store.transact(only, operations)).ok).to.equal(true);
      expect(await store.transact(only, operations)).to.deep.include({ ok: false, failed: ['a'] });
      const { modRevision = 0 } = (await store.get('a')) ?? {};
      expect((await store.transact([{ key: 'a', modRevision }], [{ type: 'delete', key: 'a' }])).ok).to.equal(true);
      expect((await store.transact(only, operations)).ok).to.equal(true);
    });

    it('has no new revision where nothing changes', async () => {
      const revision = await put(store, { a: '1' });
      expect(await store.transact([], [])).to.deep.equal({ ok: true, revision });
      expect(await store.transact([], [{ type: 'delete', key: 'missing' }])).to.deep.equal({ ok: true, revision });
      expect(await store.revision()).to.equal(revision);
    });

    it('lets one of many win that want the same', async () => {
      const attempts = Array.from({ length: 20 }, (_, i) =>
        store.transact([{ key: 'a', modRevision: 0 }], [{ type: 'put', key: 'a', value: bytes(`${i}`) }]),
      );
      const outcomes = await Promise.all(attempts);
      expect(outcomes.filter(({ ok }) => ok)).to.have.length(1);
      expect(await contents(store)).to.deep.equal({ a: `${outcomes.findIndex(({ ok }) => ok)}` });
    });

    it('loses no update of many that count', async () => {
      await put(store, { n: '0' });
      const count = async (): Promise<void> => {
        for (;;) {
          const entry = await store.get('n');
          if (!entry) throw new Error('it is gone');
          const value = bytes(`${Number(entry.value.toString()) + 1}`);
          const { ok } = await store.transact([entry], [{ type: 'put', key: 'n', value }]);
          if (ok) return;
        }
      };
      await Promise.all(Array.from({ length: 8 }, count));
      expect(await contents(store)).to.deep.equal({ n: '8' });
    });

    it("lists a prefix in the order of keys' bytes", async () => {
      const keys = ['x', 'a/b', 'a/', 'a', 'a/\uffff', 'a/\u{1f600}', 'a/ü', 'a/Z', 'a0', 'a/b/c'];
      await put(store, Object.fromEntries(keys.map((key) => [key, key])));
      const sorted = keys.toSorted((one, other) => Buffer.compare(bytes(one), bytes(other)));
      const listing = await store.list('a/');
      expect(listing.entries.map(({ key }) => key)).to.deep.equal(sorted.filter((key) => key.startsWith('a/')));
      expect((await store.list('')).entries.map(({ key }) => key)).to.deep.equal(sorted);
      expect(listing.revision).to.equal(await store.revision());
      expect((await store.list('nothing')).entries).to.deep.equal([]);
    });

    it('lists as of one revision, however much is written meanwhile', async () => {
      const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
      const all = (value: string): Promise<number> => put(store, Object.fromEntries(keys.map((key) => [key, value])));
      await all('0');
      let writes = 0;
      const writing = { done: false };
      const writer = (async () => {
        while (!writing.done) await all(`${++writes}`);
      })();
      for (let i = 0; i < 20; i++) {
        const { entries, revision } = await store.list('k');
        expect(new Set(entries.map(({ value }) => value.toString())).size).to.equal(1);
        expect(Math.max(...entries.map(({ modRevision }) => modRevision))).to.be.at.most(revision);
        await new Promise((resolve) => setImmediate(resolve));
      }
      writing.done = true;
      await writer;
    });

    it('refuses what is too large, and changes nothing', async () => {
      const large = (key: string, size: number): Promise<unknown> =>
        store.transact(
          [],
          [
            { type: 'put', key: 'other', value: bytes('1') },
            { type: 'put', key, value: Buffer.alloc(size, 1) },
          ],
        );
      expect(await codeOf(large('a', 1024 * 1024 + 1))).to.equal('TOO_LARGE');
      expect(await codeOf(large('ü'.repeat(513), 1))).to.equal('TOO_LARGE');
      expect(await contents(store)).to.deep.equal({});
      expect(await codeOf(large('ü'.repeat(512), 1024 * 1024))).to.equal(undefined);
      expect((await store.get('ü'.repeat(512)))?.value.length).to.equal(1024 * 1024);
    });

    it('refuses keys that are empty, half or doubled', async () => {
      for (const keys of [[''], ['\ud800'], ['a', 'a']]) {
        const operations = keys.map((key) => ({ type: 'delete', key }) as const);
        let fault: unknown;
        await store.transact([], operations).catch((error: unknown) => (fault = error));
        expect(fault, JSON.stringify(keys)).to.be.instanceOf(RangeError);
      }
    });

    it('watches a prefix from a revision on: what was, and what comes', async () => {
      const start = await put(store, { 'a/1': '1' });
      const second = await put(store, { 'a/2': '2', 'b/1': 'x' });
      await put(store, { 'b/2': 'x' });
      const third = await remove(store, 'a/1', 'b/1');
      const changes = heard(store, 'a/', start, ({ length }) => length === 4);
      const fourth = await put(store, { 'a/1': '3' });
      await remove(store, 'b/2');
      const fifth = await put(store, { 'a/3': '4' });
      expect((await changes).map(brief)).to.deep.equal([
        [second, 'a/2=2'],
        [third, '-a/1'],
        [fourth, 'a/1=3'],
        [fifth, 'a/3=4'],
      ]);
    });

    it('tells a watch the entry as it is, and the revision of a deletion', async () => {
      const start = await store.revision();
      const made = await put(store, { a: '1' });
      const changed = await put(store, { a: '2' });
      const gone = await remove(store, 'a');
      const changes = await heard(store, '', start, ({ length }) => length === 3);
      expect(changes[1]?.events).to.deep.equal([
        { type: 'put', entry: { key: 'a', value: bytes('2'), createRevision: made, modRevision: changed } },
      ]);
      expect(changes[2]?.events).to.deep.equal([{ type: 'delete', key: 'a', modRevision: gone }]);
    });

    it('tells watches every change whole, once and in order, while many write', async () => {
      const start = await store.revision();
      const WRITERS = 8;
      const ROUNDS = 25;
      const isEnough = (changes: readonly StoreChange[]): boolean => changes.length === WRITERS * ROUNDS;
      const watches = [heard(store, 'w', start, isEnough), heard(store, 'w', start, isEnough)];
      const made = new Map<number, string>();
      const write = async (_: unknown, writer: number): Promise<void> => {
        for (let round = 0; round < ROUNDS; round++) {
          const values = { [`w${writer}/a`]: `${round}`, [`w${writer}/b`]: `${round}`, w: `${writer}-${round}` };
          made.set(await put(store, values), `${writer}-${round}`);
        }
      };
      await Promise.all(Array.from({ length: WRITERS }, write));
      watches.push(heard(store, 'w', start, isEnough));
      for (const changes of await Promise.all(watches)) {
        expect(changes.map(({ revision }) => revision)).to.deep.equal([...made.keys()].toSorted((a, b) => a - b));
        for (const { revision, events } of changes) {
          expect(events).to.have.length(3);
          const last = events.find((event) => event.type === 'put' && event.entry.key === 'w');
          expect(last?.type === 'put' && last.entry.value.toString()).to.equal(made.get(revision));
        }
      }
    });

    it('joins a listing and a watch from its revision without a gap', async () => {
      const writing = { done: false };
      let n = 0;
      const writer = (async () => {
        for (; !writing.done; n++) await put(store, { [`k${n % 7}`]: `${n}`, last: `${n}` });
        await put(store, { end: '' });
      })();
      const { entries, revision } = await store.list('');
      const seen = new Map(entries.map((entry) => [entry.key, entry.value.toString()]));
      const watching = heard(store, '', revision, (changes) => {
        writing.done = changes.length >= 20;
        return changes.at(-1)?.events.some((event) => event.type === 'put' && event.entry.key === 'end') === true;
      });
      for (const { events } of await watching) {
        for (const event of events) if (event.type === 'put') seen.set(event.entry.key, event.entry.value.toString());
      }
      await writer;
      expect(Object.fromEntries(seen)).to.deep.equal(await contents(store));
    });

    it('resumes a watch after what was seen last', async () => {
      const start = await store.revision();
      const revisions = [];
      for (let i = 0; i < 6; i++) revisions.push(await put(store, { a: `${i}` }));
      const first = await heard(store, 'a', start, ({ length }) => length === 3);
      const rest = await heard(store, 'a', first.at(-1)?.revision ?? 0, ({ length }) => length === 3);
      expect([...first, ...rest].map(({ revision }) => revision)).to.deep.equal(revisions);
    });

    it('ends a watch when its signal aborts, also before it starts', async () => {
      const stop = new AbortController();
      const waiting = nextOf(store.watch('', await store.revision(), stop.signal));
      stop.abort();
      expect(await waiting).to.equal(undefined);
      expect(await nextOf(store.watch('', 1, stop.signal))).to.equal(undefined);
    });

    it('throws COMPACTED at a watch from before what is kept, and goes on from there', async () => {
      const first = await put(store, { a: '1' });
      await put(store, { a: '2' });
      await remove(store, 'a');
      const last = await put(store, { b: '4' });
      await store.compact(last);
      await store.compact(first); // What is forgotten already is no fault.
      const { signal } = new AbortController();
      expect(await codeOf(nextOf(store.watch('', first, signal)))).to.equal('COMPACTED');
      expect(await contents(store)).to.deep.equal({ b: '4' });
      const next = await put(store, { a: '5' });
      expect((await heard(store, '', last, () => true)).map(brief)).to.deep.equal([[next, 'a=5']]);
    });

    it('compacts no further than now', async () => {
      const revision = await put(store, { a: '1' });
      await store.compact(revision + 1000);
      const next = await put(store, { a: '2' });
      expect((await heard(store, '', revision, () => true)).map(brief)).to.deep.equal([[next, 'a=2']]);
    });

    it('replaces everything, at once for whoever reads', async () => {
      const before = await put(store, { a: '1', b: '1', c: '1' });
      const entries = Array.from({ length: 300 }, (_, i) => ({ key: `b${i}`, value: bytes('2') }));
      entries.push({ key: 'b', value: bytes('2') });
      const writing = { done: false };
      const reader = (async () => {
        while (!writing.done) {
          expect((await store.list('')).entries.length).to.be.oneOf([3, 301]);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const revision = await store.replace(entries);
      writing.done = true;
      await reader;
      expect(revision).to.be.above(before);
      expect(await contents(store)).to.deep.equal(Object.fromEntries(entries.map(({ key }) => [key, '2'])));
      expect(await store.get('a')).to.equal(undefined);
      const outcome = await store.transact([{ key: 'a', modRevision: 0 }], [{ type: 'delete', key: 'b0' }]);
      expect(outcome.ok).to.equal(true);
      expect((await store.list('')).entries).to.have.length(300);
      await store.replace([]);
      expect(await contents(store)).to.deep.equal({});
    });

    it('tells a watch of a replacement, as one change or as COMPACTED', async () => {
      const start = await put(store, { a: '1', b: '1' });
      const stop = new AbortController();
      const next = nextOf(store.watch('', start, stop.signal));
      const revision = await store.replace([{ key: 'b', value: bytes('2') }]);
      try {
        expect(brief((await next)!)).to.deep.equal([revision, '-a', 'b=2']);
      } catch (error) {
        expect(error).to.include({ code: 'COMPACTED' });
      }
      stop.abort();
      const after = await put(store, { a: '3' });
      expect((await heard(store, '', revision, () => true)).map(brief)).to.deep.equal([[after, 'a=3']]);
    });

    it('has what it had after it was opened again, and revisions go on', async () => {
      const revision = await put(store, { a: '1', b: '2' });
      store = await test.reopen();
      expect(await contents(store)).to.deep.equal({ a: '1', b: '2' });
      expect(await store.get('a')).to.include({ createRevision: revision, modRevision: revision });
      expect(await put(store, { a: '3' })).to.be.above(revision);
    });

    it('leads when it is alone, and hears false before it stops', async () => {
      const stop = new AbortController();
      const changes: boolean[] = [];
      const leading = new Promise<void>((resolve, reject) => {
        const told = (leads: boolean): void => {
          changes.push(leads);
          if (leads) resolve();
        };
        store.lead('status', told, stop.signal).then(() => changes.push(false), reject);
      });
      await leading;
      expect(changes).to.deep.equal([true]);
      stop.abort();
      await until('three changes', () => changes.length === 3);
      expect(changes).to.deep.equal([true, false, false]);
    });

    it('is closed while it is watched, written and led', async () => {
      const { signal } = new AbortController();
      const watching = codeOf(nextOf(store.watch('', await store.revision(), signal)));
      const led: boolean[] = [];
      const leading = store.lead('status', (leads) => led.push(leads), signal);
      await until('the first leader', () => led.length === 1);
      await store.close();
      await store.close();
      expect(await watching).to.equal('CLOSED');
      await leading;
      expect(led).to.deep.equal([true, false]);
      expect(await codeOf(store.get('a'))).to.equal('CLOSED');
      expect(await codeOf(store.list(''))).to.equal('CLOSED');
      expect(await codeOf(store.revision())).to.equal('CLOSED');
      expect(await codeOf(store.transact([], []))).to.equal('CLOSED');
      expect(await codeOf(store.replace([]))).to.equal('CLOSED');
      expect(await codeOf(store.compact(1))).to.equal('CLOSED');
      expect(await codeOf(nextOf(store.watch('', 1, signal)))).to.equal('CLOSED');
      expect(await codeOf(store.lead('status', () => undefined, signal))).to.equal('CLOSED');
    });

    if (replicas === 'many') describeReplicas(() => test);
  });
}

function describeReplicas(subject: () => StoreUnderTest): void {
  it('has one leader among replicas, and hands over when it is closed', async () => {
    const { store, replica } = subject();
    const other = await replica();
    const stop = new AbortController();
    const led: string[] = [];
    const told =
      (who: string) =>
      (leads: boolean): void =>
        void led.push(`${who} ${leads}`);
    const first = store.lead('status', told('first'), stop.signal);
    await until('the first leader', () => led.length === 1);
    const second = other.lead('status', told('second'), stop.signal);
    const elsewhere = other.lead('another', told('another'), stop.signal);
    await until('the lead of the other', () => led.includes('another true'));
    expect(led).not.to.include('second true');
    await store.close();
    await first;
    await until('the lead of the second', () => led.includes('second true'));
    stop.abort();
    await Promise.all([second, elsewhere]);
    expect(led.filter((line) => !line.startsWith('another'))).to.deep.equal([
      'first true',
      'first false',
      'second true',
      'second false',
    ]);
  });

  it('shows replicas what the others wrote', async () => {
    const { store, replica } = subject();
    const other = await replica();
    const start = await store.revision();
    const changes = heard(other, '', start, () => true);
    const revision = await put(store, { a: '1' });
    expect((await changes).map(brief)).to.deep.equal([[revision, 'a=1']]);
    expect(await contents(other)).to.deep.equal({ a: '1' });
    await store.replace([{ key: 'b', value: bytes('2') }]);
    expect(await contents(other)).to.deep.equal({ b: '2' });
    await put(other, { c: '3' });
    expect(await contents(store)).to.deep.equal({ b: '2', c: '3' });
  });
}
