/** The store's live part in memory: nothing lost between listing and watching, whatever happens to the store. */
import { expect } from 'chai';
import { StoreError } from '../../../../controlplane/core/store.ts';
import { StoreMirror } from '../../../../controlplane/live/mirror.ts';
import { objectKey } from '../../../../controlplane/model/keys.ts';
import { toStored } from '../../../../controlplane/model/object.ts';
import { recordingLog } from '../../../support/controlplane.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { until } from '../../../support/until.ts';

describe("the mirror of the store's objects", () => {
  const over: AbortController[] = [];

  afterEach(() => over.splice(0).forEach((each) => each.abort()));

  const key = (name: string) => ({ kind: 'type.googleapis.com/a.B', name });
  const write = (store: MemoryStore, name: string, label: string) =>
    store.transact(
      [],
      [
        {
          type: 'put',
          key: objectKey(key(name)),
          value: toStored({ key: key(name), labels: { label }, raw: Buffer.from('x') }, undefined),
        },
      ],
    );
  const signal = (): AbortSignal => {
    const controller = new AbortController();
    over.push(controller);
    return controller.signal;
  };

  it('holds what is there and hears of each change as a whole', async () => {
    const store = new MemoryStore();
    await write(store, 'a/b', '1');
    const mirror = new StoreMirror(store, recordingLog());
    const changes: string[] = [];
    mirror.onChange = ({ revision, objects, commit }) => {
      changes.push(`${revision} ${[...objects].join()}`);
      commit();
    };
    await mirror.start(signal());
    await write(store, 'c', '1');
    await store.transact(
      [],
      [
        { type: 'delete', key: objectKey(key('a/b')) },
        { type: 'put', key: 'history/1', value: Buffer.from('') },
      ],
    );
    await mirror.reached(3, signal());
    expect(changes).to.deep.equal([
      '1 type.googleapis.com/a.B/a/b',
      '2 type.googleapis.com/a.B/c',
      '3 type.googleapis.com/a.B/a/b',
    ]);
    expect([...mirror.objects.values()].map(({ key: { name }, revision }) => [name, revision])).to.deep.equal([
      ['c', 2],
    ]);
  });

  it('lists again when changes were missed, and tells only what is different', async () => {
    const store = new MemoryStore();
    for (const name of ['a', 'b', 'c']) await write(store, name, '1');
    const watch = store.watch.bind(store);
    let hold = true;
    store.watch = async function* (prefix, revision, aborted) {
      // The connection comes late: by then the changes are compacted.
      await until('the connection', () => !hold);
      yield* watch(prefix, revision, aborted);
    };
    const mirror = new StoreMirror(store, recordingLog());
    const changes: string[][] = [];
    mirror.onChange = ({ objects, commit }) => {
      changes.push([...objects].map((id) => id.slice(-1)).sort());
      commit();
    };
    await mirror.start(signal());
    await write(store, 'b', '2');
    await store.transact([], [{ type: 'delete', key: objectKey(key('c')) }]);
    await store.compact(5);
    hold = false;
    await mirror.reached(5, signal());
    expect(changes).to.deep.equal([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
    expect(mirror.objects.get('type.googleapis.com/a.B/b')?.labels).to.deep.equal({ label: '2' });
  });

  it('waits for a store that is not there, and keeps what it knows', async () => {
    const store = new MemoryStore();
    await write(store, 'a', '1');
    const list = store.list.bind(store);
    let attempts = 0;
    store.list = (prefix) =>
      attempts++ === 0 ? Promise.reject(new StoreError('UNAVAILABLE', 'no connection')) : list(prefix);
    const log = recordingLog();
    const mirror = new StoreMirror(store, log, 1);
    await mirror.start(signal());
    expect([attempts, mirror.objects.size, log.lines.map(({ level }) => level)]).to.deep.equal([2, 1, ['warn']]);
  });

  it('tells a change again that could not be taken, and all that came after it', async () => {
    const store = new MemoryStore();
    const log = recordingLog();
    const mirror = new StoreMirror(store, log, 1);
    await mirror.start(signal());
    const changes: string[][] = [];
    let failures = 2;
    mirror.onChange = async ({ objects, commit }) => {
      await write(store, 'b', `${failures}`);
      if (failures-- > 0) throw new RangeError('too deep');
      changes.push([...objects].map((id) => id.slice(-1)).sort());
      mirror.onChange = (change) => change.commit();
      commit();
    };
    await write(store, 'a', '1');
    await mirror.reached(4, signal());
    expect(changes).to.deep.equal([['a', 'b']]);
    expect(mirror.objects.get('type.googleapis.com/a.B/b')?.labels).to.deep.equal({ label: '0' });
    expect(log.lines.map(({ level, fields }) => [level, fields['error']])).to.deep.equal([
      ['error', 'RangeError: too deep'],
      ['error', 'RangeError: too deep'],
    ]);
  });

  it('passes over what it cannot read', async () => {
    const store = new MemoryStore();
    await store.transact([], [{ type: 'put', key: 'live/objects/Rule/r', value: Buffer.from('{') }]);
    await write(store, 'a', '1');
    const log = recordingLog();
    const mirror = new StoreMirror(store, log);
    await mirror.start(signal());
    expect([mirror.objects.size, log.lines[0]?.fields['key']]).to.deep.equal([1, 'live/objects/Rule/r']);
  });
});
