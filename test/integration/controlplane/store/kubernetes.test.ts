/** The store in Kubernetes, in a real API server: the contract, several replicas, and what may go wrong in between. */
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type Store, type StoreChange, StoreError } from '../../../../controlplane/core/store.ts';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { openStoreAccess } from '../../../../controlplane/kubernetes/store-access.ts';
import { type KubeClient, KubeError } from '../../../../controlplane/kubernetes/runtime/index.ts';
import type {
  KubernetesAccess,
  ResourceKind,
  StoreClient,
  StoredObject,
} from '../../../../controlplane/store/kubernetes/api.ts';
import type { Json } from '../../../../gen/l7mp/config/v1/types.ts';
import { objectKey } from '../../../../controlplane/model/keys.ts';
import { toStored } from '../../../../controlplane/model/object.ts';
import { CONFIG_OBJECT } from '../../../../controlplane/store/kubernetes/shown.ts';
import { HEAD } from '../../../../controlplane/store/kubernetes/head.ts';
import { RECORD } from '../../../../controlplane/store/kubernetes/records.ts';
import { openKubernetesStore } from '../../../../controlplane/store/kubernetes/store.ts';
import { DEFINITION, LEASE } from '../../../../controlplane/kubernetes/api/core-types.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { bytes, codeOf, contents, heard, put, remove, storeContract } from '../../../support/store-contract.ts';
import { until } from '../../../support/until.ts';

const MIB = 1024 * 1024;
const ROUNDS = 24;

describe('store in Kubernetes', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasControllers: false });
  let client: KubeClient;
  let number = 0;
  const opened: Store[] = [];

  before(async () => {
    client = await kube().client();
    for (const kind of ['storeheads', 'storerecords', 'configobjects']) {
      await client.apply(DEFINITION, parse(readFileSync(`k8s/crds/${kind}.yaml`, 'utf8')) as KubeObject);
      await until(kind, () =>
        client.read(`/apis/l7mp.io/v1/${kind}`).then(
          () => true,
          () => false,
        ),
      );
    }
  });
  after(() => client.close());
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  const openIn = async (
    namespace: string,
    name: string,
    change = (access: KubernetesAccess) => access,
  ): Promise<Store> => {
    const access = await openStoreAccess({ file: kube().kubeconfig }, silentLogger);
    const store = await openKubernetesStore(change(access), { namespace, name }, silentLogger);
    opened.push(store);
    return store;
  };
  const open = (name: string, change?: (access: KubernetesAccess) => KubernetesAccess): Promise<Store> =>
    openIn('default', name, change);
  const newName = (): string => `s${++number}-${randomUUID().slice(0, 8)}`;

  storeContract('store in Kubernetes', 'many', async () => {
    const name = newName();
    const store = await open(name);
    return {
      store,
      replica: () => open(name),
      reopen: async () => {
        await store.close();
        return await open(name);
      },
      close: async () => {
        for (const each of opened.splice(0)) await each.close();
      },
    };
  });

  const records = async (name: string): Promise<number> => {
    const options = { namespace: 'default', labelSelector: `l7mp.io/store=${name}`, metadataOnly: true };
    return (await client.list(RECORD, options)).items.length;
  };

  it('takes transactions and entries that are larger than any object of etcd, and reads them again', async () => {
    const name = newName();
    const store = await open(name);
    const values = Array.from({ length: 4 }, () => randomBytes(MIB));
    const { ok, revision } = await store.transact(
      [],
      values.map((value, i) => ({ type: 'put', key: `${i}`, value })),
    );
    expect(ok).to.equal(true);
    for (const reader of [store, await open(name)]) {
      const { entries } = await reader.list('');
      expect(
        entries.map(({ value, modRevision }, i) => values[i]!.equals(value) && modRevision === revision),
      ).to.deep.equal([true, true, true, true]);
    }
    expect(
      await codeOf(
        store.transact(
          [],
          Array.from({ length: 140 }, (_, i) => ({ type: 'put', key: `k${i}`, value: values[0]! })),
        ),
      ),
    ).to.equal('FULL');
    expect((await store.list('')).entries).to.have.length(4);
  });

  it('makes snapshots as it is written, and keeps no more than it needs', async () => {
    const name = newName();
    const [store, other] = [await open(name), await open(name)];
    const WRITES = 700;
    for (let n = 0; n < WRITES; n += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => put(n % 100 === 0 ? store : other, { [`k${i}`]: `${n}` })),
      );
    }
    await until('few records', async () => (await records(name)) < 450);
    const { entries, revision } = await (await open(name)).list('');
    expect(entries).to.deep.equal((await store.list('')).entries);
    expect(revision).to.equal(1 + WRITES);
  });

  it('writes a record anew that was taken for litter, as a replacement came in between', async () => {
    const name = newName();
    const other = await open(name);
    let held: (() => Promise<unknown>) | undefined;
    const store = await open(name, (access) => ({
      ...access,
      client: intercepted(access.client, async (apply, type) => {
        const hold = type.kind === 'StoreHead' ? held : undefined;
        if (hold) held = undefined;
        await hold?.();
        return await apply();
      }),
    }));
    await put(store, { a: '1' });
    held = async () => {
      await other.replace([{ key: 'b', value: bytes('2') }]);
      await until('no litter', async () => (await records(name)) === 1);
    };
    await put(store, { c: '3' });
    expect(held).to.equal(undefined);
    for (const reader of [store, other, await open(name)]) {
      expect(await contents(reader)).to.deep.equal({ b: '2', c: '3' });
    }
  });

  it('knows what it wrote where the answer was lost on the way, and makes it once', async () => {
    const name = newName();
    let calls = 0;
    const store = await open(name, (access) => ({
      ...access,
      client: intercepted(access.client, async (apply, type) => {
        const which = type.kind === 'StoreHead' ? calls++ % 4 : 0;
        if (which === 1) throw new KubeError('it was cut before', { code: 0, reason: 'Unreachable' });
        const answer = await apply();
        if (which === 2) throw new KubeError('it was cut after', { code: 0, reason: 'Unreachable' });
        return answer;
      }),
    }));
    const start = await store.revision();
    const revisions: number[] = [];
    // Large ones: there are snapshots, too.
    const value = (n: number): string => `${n} ${randomBytes(100_000).toString('base64')}`;
    for (let n = 0; n < 60; n++) revisions.push(await put(store, { n: value(n) }));
    expect(calls).to.be.above(80);
    expect(revisions).to.deep.equal(Array.from({ length: 60 }, (_, n) => start + 1 + n));
    const { spec } = await client.get(HEAD, { namespace: 'default', name });
    expect((spec as { snapshot: { revision: number } }).snapshot.revision).to.be.above(10);
    expect((await contents(await open(name)))['n']?.slice(0, 3)).to.equal('59 ');
  });

  it('loses and doubles nothing of two replicas while the API server is killed, and etcd compacted', async () => {
    const name = newName();
    const stores = [await open(name), await open(name)];
    const watched = await open(name);
    const start = await watched.revision();
    const acknowledged = new Map<number, string>();
    const unknown = new Set<string>();
    let done = false;
    const write = async (store: Store, writer: number): Promise<void> => {
      for (let n = 0; !done; n++) {
        const text = `${writer}=${n}`;
        try {
          const revision = await put(store, { [`${writer}/a`]: text, [`${writer}/b`]: text });
          expect(acknowledged.has(revision)).to.equal(false);
          acknowledged.set(revision, text);
        } catch (error) {
          if (!(error instanceof StoreError) || error.code !== 'UNAVAILABLE') throw error;
          unknown.add(text);
        }
      }
    };
    const ends = (changes: readonly StoreChange[]): boolean =>
      changes.at(-1)?.events.some((event) => event.type === 'put' && event.entry.key === 'end') === true;
    const watching = heard(watched, '', start, ends);
    const writing = Promise.all([0, 1, 2, 3].map((writer) => write(stores[writer % 2]!, writer)));
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.size;
      await until('40 acknowledged changes', () => acknowledged.size > before + 40, 60_000);
      await kube().apiServer.kill();
      if (round === 1) await kube().apiServer.compact();
      await kube().apiServer.start();
    }
    const before = acknowledged.size;
    await until('40 more', () => acknowledged.size > before + 40, 60_000);
    done = true;
    await writing;
    await put(stores[0]!, { end: '' });
    const seen = new Map<number, string>();
    for (const change of await watching) {
      const texts = change.events.map((event) => (event.type === 'put' ? event.entry.value.toString() : '-'));
      if (!ends([change])) expect(texts, `${change.revision}`).to.deep.equal([texts[0], texts[0]]);
      expect([...seen.values()], 'made once').not.to.include(texts[0]);
      seen.set(change.revision, texts[0]!);
    }
    const revisions = [...seen.keys()];
    expect(revisions).to.deep.equal(Array.from(revisions, (_, i) => start + 1 + i));
    for (const [revision, text] of acknowledged) expect(seen.get(revision), text).to.equal(text);
  });

  it('is there again, whole, after kill -9 at any instant', async function () {
    this.timeout(300_000);
    const name = newName();
    let [revision, total] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const acks = await writeAndKill(round, name, Math.random() * 400);
      const store = await open(name);
      const listing = await store.list('');
      expect(listing.revision).to.be.at.least(revision);
      revision = listing.revision;
      for (const [writer, [n, acknowledged]] of acks) {
        const found = await Promise.all([0, 1, 2].map((i) => store.get(`${writer}/${i}`)));
        const values = new Set(found.map((entry) => entry?.value.toString()));
        expect(values.size, 'a transaction').to.equal(1);
        const [foundRound, foundN] = JSON.parse([...values][0]!) as [number, number];
        expect(foundRound).to.equal(round);
        expect(foundN).to.be.at.least(n);
        expect(found[0]!.modRevision).to.be.at.least(acknowledged);
        total += n + 1;
      }
      await store.close();
    }
    expect(total).to.be.above(5 * ROUNDS);
  });

  /** Runs writers, kills them some ms after their first acknowledgement, and returns the last of each. */
  async function writeAndKill(
    round: number,
    name: string,
    afterMs: number,
  ): Promise<Map<number, readonly [number, number]>> {
    const args = [kube().kubeconfig, name, `${round}`];
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/store-writer-process.ts', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const acks = new Map<number, readonly [number, number]>();
    const lines = createInterface(child.stdout);
    lines.once('line', () => setTimeout(() => child.kill('SIGKILL'), afterMs));
    lines.on('line', (line) => {
      const [writer = 0, n = 0, revision = 0] = line.split(' ').map(Number);
      acks.set(writer, [n, revision]);
    });
    const [[, signal]] = await Promise.all([once(child, 'close') as Promise<[unknown, string]>, once(lines, 'close')]);
    expect(signal).to.equal('SIGKILL');
    return acks;
  }

  it('tells replicas of each other that they live, and says nothing else at rest', async () => {
    const name = newName();
    const [store, other] = [await open(name), await open(name)];
    const stop = new AbortController();
    const signs: [string, number][] = [];
    const present = store.presence!('cp-1', (id, at) => signs.push([id, at]), stop.signal);
    const gone = new AbortController();
    const elsewhere = other.presence!('cp 2/ü', () => undefined, gone.signal);
    await until('a sign of the other', () => signs.some(([id, at]) => id === 'cp 2/ü' && Date.now() - at < 60_000));
    const leases = async (): Promise<unknown[]> => {
      const { items } = await client.list(LEASE, { namespace: 'default', labelSelector: `l7mp.io/store=${name}` });
      return items.map(({ spec }) => (spec as { holderIdentity: string }).holderIdentity);
    };
    expect(await leases()).to.have.members(['cp-1', 'cp 2/ü']);
    gone.abort();
    await elsewhere;
    expect(await leases()).to.deep.equal(['cp-1']);
    stop.abort();
    await present;
    expect(await leases()).to.deep.equal([]);
    expect(await store.revision()).to.equal(1);
  });

  it('shows what is live while it leads, without secrets, and writes over what somebody edited', async () => {
    const name = newName();
    const store = await open(name);
    const stored = (kind: string, called: string, spec: Record<string, Json>): [string, string] => [
      objectKey({ kind, name: called }),
      toStored({ key: { kind, name: called }, labels: {}, spec }, undefined).toString(),
    ];
    const first = await put(
      store,
      Object.fromEntries([stored('Cluster', 'a/B ü', { port: 1 }), stored('Secret', 's', { key: 'hush' })]),
    );
    const shown = async (): Promise<unknown[]> => {
      const { items } = await client.list(CONFIG_OBJECT, {
        namespace: 'default',
        labelSelector: `l7mp.io/store=${name}`,
      });
      return items
        .map(
          ({ spec }) =>
            spec as { kind: string; name: string; revision: number; content: { port?: number; key?: string } },
        )
        .map((spec) => [spec.kind, spec.name, spec.revision, spec.content.port ?? spec.content.key?.slice(0, 7)]);
    };
    const shows = (...wanted: unknown[]): Promise<boolean> =>
      until(JSON.stringify(wanted), async () => JSON.stringify(await shown()) === JSON.stringify(wanted));
    let stop = new AbortController();
    let leading = store.lead('controlplane', () => undefined, stop.signal);
    await shows(['Cluster', 'a/B ü', first, 1], ['Secret', 's', first, 'sha256:']);
    const options = { namespace: 'default', labelSelector: `l7mp.io/store=${name}` };
    const edited = (await client.list(CONFIG_OBJECT, options)).items.find(
      ({ spec }) => (spec as { kind: string }).kind === 'Cluster',
    );
    await client.mergePatch(
      CONFIG_OBJECT,
      { namespace: 'default', name: edited!.metadata.name },
      { spec: { content: { port: 9 } } },
    );
    const second = await put(store, Object.fromEntries([stored('Cluster', 'a/B ü', { port: 2 })]));
    await shows(['Cluster', 'a/B ü', second, 2], ['Secret', 's', first, 'sha256:']);
    stop.abort();
    await leading;
    const third = await put(store, Object.fromEntries([stored('Cluster', 'a/B ü', { port: 3 })]));
    await remove(store, objectKey({ kind: 'Secret', name: 's' }));
    stop = new AbortController();
    leading = store.lead('controlplane', () => undefined, stop.signal);
    await shows(['Cluster', 'a/B ü', third, 3]);
    await store.replace([]);
    await shows();
    stop.abort();
    await leading;
  });

  it('is refused where its head is gone, or what that names', async () => {
    const name = newName();
    const store = await open(name);
    await put(store, { a: '1' });
    await store.close();
    const head = { namespace: 'default', name };
    const { spec } = await client.get(HEAD, head);
    const [id = ''] = (spec as { commits: string[] }).commits;
    await client.delete(HEAD, head);
    expect(await codeOf(open(name))).to.equal('CORRUPT');
    await client.delete(RECORD, { namespace: 'default', name: `${name}-${id}-0` });
    await client.create(HEAD, { apiVersion: 'l7mp.io/v1', kind: 'StoreHead', metadata: head, spec });
    expect(await codeOf(open(name))).to.equal('CORRUPT');
    let fault: unknown;
    await openIn('missing', name).catch((error: unknown) => (fault = error));
    expect(fault).to.be.instanceOf(StoreError).that.includes({ code: 'UNAVAILABLE' });
    expect((fault as Error).message).to.match(/namespace/u);
  });
});

/** A client whose `apply` goes through another hand. */
function intercepted(
  client: StoreClient,
  hand: (apply: () => Promise<StoredObject>, type: ResourceKind) => Promise<StoredObject>,
): StoreClient {
  return new Proxy(client, {
    get(target, key) {
      if (key === 'apply') {
        const apply: StoreClient['apply'] = (type, ...rest) => hand(() => target.apply(type, ...rest), type);
        return apply;
      }
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
