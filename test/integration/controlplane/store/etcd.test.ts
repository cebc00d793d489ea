/** The store in etcd: the contract, and what becomes of etcd and of the way there. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Store, type StoreChange, StoreError } from '../../../../controlplane/core/store.ts';
import { backup, restore } from '../../../../controlplane/store/backup.ts';
import { openStore } from '../../../../controlplane/store/open.ts';
import { noKubernetes, silentLogger } from '../../../support/doubles.ts';
import { Etcd } from '../../../support/etcd.ts';
import { bytes, codeOf, contents, heard, nextOf, put, remove, storeContract } from '../../../support/store-contract.ts';
import { until } from '../../../support/until.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A way to etcd that can be cut: what goes through waits, and nothing new comes in. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: string) {
    const [host = '', port = ''] = target.split(':');
    this.#server = createServer((client) => {
      const server = connect(Number(port), host);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As a cable that is pulled: nobody is told. */
  cut(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('etcd', function () {
  this.timeout(60_000);
  let etcd: Etcd;
  const opened: Store[] = [];

  const open = async (root: string, address = etcd.address, query = ''): Promise<Store> => {
    const store = await openStore(`etcd://${address}${root}${query}`, silentLogger, noKubernetes);
    opened.push(store);
    return store;
  };

  before(async () => {
    etcd = await Etcd.start();
  });
  after(() => etcd.stop());
  afterEach(() => Promise.all(opened.splice(0).map((store) => store.close())));

  storeContract('store in etcd', 'many', async () => {
    const root = `/${randomUUID()}`;
    const store = await open(root);
    return {
      store,
      replica: () => open(root),
      reopen: async () => {
        await store.close();
        return await open(root);
      },
      close: async () => {
        await Promise.all(opened.splice(0).map((each) => each.close()));
      },
    };
  });

  it('has entries where its layout says, for others to read', async () => {
    const store = await open('/layout/');
    await put(store, { 'a/b': 'value' });
    const { kvs } = await etcd.post('kv/range', { key: base64('/layout/store/data/0/a/b') });
    expect(kvs).to.have.length(1);
    expect(kvs).to.have.nested.property('0.value', base64('value'));
    await etcd.post('kv/put', { key: base64('/layout/store/data/0/c'), value: base64('2') });
    expect(await contents(store)).to.deep.equal({ 'a/b': 'value', c: '2' });
    expect(await contents(await open('/other'))).to.deep.equal({});
  });

  it('is listed in pages where there is much, as of one revision', async () => {
    const store = await open(`/${randomUUID()}`);
    const value = Buffer.alloc(1024);
    const entries = Array.from({ length: 2500 }, (_, i) => ({ key: `k${`${i}`.padStart(5, '0')}`, value }));
    await store.replace(entries);
    const listing = store.list('k');
    await put(store, { k99999: '', k00000: '' });
    const found = await listing;
    expect(found.entries.map(({ key }) => key).slice(0, 2500)).to.deep.equal(entries.map(({ key }) => key));
    const [first, last] = [found.entries[0]!.value.length, found.entries.length];
    expect([first, last]).to.be.deep.oneOf([
      [1024, 2500],
      [0, 2501],
    ]);
    const large = Buffer.alloc(1024 * 1024);
    await store.replace(Array.from({ length: 70 }, (_, i) => ({ key: `${i}`, value: large })));
    expect((await store.list('')).entries).to.have.length(70);
  });

  it("says TOO_LARGE beyond etcd's limits", async () => {
    const store = await open(`/${randomUUID()}`);
    const many = Array.from({ length: 129 }, (_, i) => ({ type: 'put', key: `${i}`, value: bytes('') }) as const);
    expect(await codeOf(store.transact([], many))).to.equal('TOO_LARGE');
    const said = await store.transact([], many).then(String, String);
    expect(said).to.include(`found ${many.length} operations with `).and.to.include('--max-txn-ops');
    const value = Buffer.alloc(1024 * 1024);
    for (const count of [2, 10]) {
      const large = Array.from({ length: count }, (_, i) => ({ type: 'put', key: `${i}`, value }) as const);
      expect(await codeOf(store.transact([], large)), `${count} MiB`).to.equal('TOO_LARGE');
    }
    expect(await contents(store)).to.deep.equal({});
  });

  it('moves to and from another store by backup and restore', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-move-'));
    const embedded = await openStore(`embedded:${directory}`, silentLogger, noKubernetes);
    const store = await open(`/${randomUUID()}`);
    try {
      const values = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`a/${i}`, `${i}`]));
      await put(embedded, values);
      await put(store, { old: '1' });
      let text = '';
      await backup(embedded, (part) => void (text += part));
      await restore(store, [text]);
      expect(await contents(store)).to.deep.equal(values);
      text = '';
      await backup(store, (part) => void (text += part));
      await put(embedded, { other: '1' });
      await restore(embedded, [text]);
      expect(await contents(embedded)).to.deep.equal(values);
    } finally {
      await embedded.close();
      rmSync(directory, { recursive: true });
    }
  });

  it('has the entries of one of several replacements at once, and none of one that broke off', async () => {
    const root = `/${randomUUID()}`;
    const stores = [await open(root), await open(root), await open(root)];
    await put(stores[0]!, { old: '1' });
    await etcd.post('kv/put', { key: base64(`${root}/store/restore`), value: base64('broke-off') });
    await etcd.post('kv/put', { key: base64(`${root}/store/data/broke-off/a`), value: base64('1') });
    const all = (i: number): { key: string; value: Buffer }[] =>
      Array.from({ length: 350 }, (_, n) => ({ key: `${i}/${n}`, value: bytes(`${i}`) }));
    const results = await Promise.allSettled(stores.map((store, i) => store.replace(all(i))));
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).to.include({ code: 'UNAVAILABLE' });
    }
    expect(results.some(({ status }) => status === 'fulfilled')).to.equal(true);
    for (const store of stores) {
      const values = Object.values(await contents(store));
      expect(values).to.have.length(350);
      expect(new Set(values).size).to.equal(1);
    }
    await stores[0]!.replace([{ key: 'a', value: bytes('1') }]);
    // Nothing is left of all the others: the entry, and which generation it is of.
    const key = base64(`${root}/`);
    const { count } = await etcd.post('kv/range', { key, range_end: base64(`${root}0`), count_only: true });
    expect(count).to.equal('2');
  });

  it('throws COMPACTED where another forgot, and a watch that is up to date goes on', async () => {
    const store = await open(`/${randomUUID()}`);
    const start = await put(store, { a: '1' });
    const second = await put(store, { a: '2' });
    const live = heard(store, '', start, ({ length }) => length === 3);
    const third = await put(store, { a: '3' });
    await heard(store, '', second, () => true);
    await etcd.post('kv/compaction', { revision: third });
    const { signal } = new AbortController();
    expect(await codeOf(nextOf(store.watch('', start - 1, signal)))).to.equal('COMPACTED');
    await put(store, { a: '4' });
    expect(await live).to.have.length(3);
  });

  it('loses and doubles nothing while etcd is killed and started again', async () => {
    const store = await open(`/${randomUUID()}`);
    const start = await store.revision();
    const acknowledged = new Map<number, string>();
    let unknown = 0;
    let done = false;
    const write = async (_: unknown, writer: number): Promise<void> => {
      for (let n = 0; !done; n++) {
        try {
          const revision = await put(store, { [`${writer}/a`]: `${n}`, [`${writer}/b`]: `${n}` });
          acknowledged.set(revision, `${writer}=${n}`);
        } catch (error) {
          if (!(error instanceof StoreError) || error.code !== 'UNAVAILABLE') throw error;
          unknown += 1;
        }
      }
    };
    const ends = (changes: readonly StoreChange[]): boolean =>
      changes.at(-1)?.events.some((event) => event.type === 'put' && event.entry.key === 'end') === true;
    const watching = heard(store, '', start, ends);
    const writing = Promise.all(Array.from({ length: 4 }, write));
    for (let round = 0; round < 3; round++) {
      const before = acknowledged.size;
      await until('20 acknowledged changes', () => acknowledged.size > before + 20);
      await etcd.kill();
      await until('a change whose outcome is unknown', () => unknown > round);
      await etcd.start();
    }
    done = true;
    await writing;
    await put(store, { end: '' });
    const changes = await watching;
    const revisions = changes.map(({ revision }) => revision);
    expect(revisions).to.deep.equal([...new Set(revisions)].toSorted((a, b) => a - b));
    const seen = new Map(
      changes.map(({ revision, events }) => {
        const texts = events.map((event) =>
          event.type === 'put' ? `${event.entry.key.slice(0, 1)}=${event.entry.value.toString()}` : '',
        );
        if (!ends([{ revision, events }])) {
          expect(events, 'a transaction').to.have.length(2);
          expect(texts[0]).to.equal(texts[1]);
        }
        return [revision, texts[0]];
      }),
    );
    for (const [revision, text] of acknowledged) expect(seen.get(revision), `${revision}`).to.equal(text);
  });

  it('does not know what became of a write to an etcd that stopped, and goes on after', async () => {
    const store = await open(`/${randomUUID()}`);
    const start = await put(store, { a: '1' });
    const watching = heard(store, 'last', start, () => true);
    etcd.signal('SIGSTOP');
    try {
      let fault: unknown;
      await put(store, { a: '2' }).catch((error: unknown) => (fault = error));
      expect(fault).to.include({ code: 'UNAVAILABLE' });
      expect((fault as Error).message).to.match(/not known/u);
    } finally {
      etcd.signal('SIGCONT');
    }
    expect((await contents(store))['a']).to.be.oneOf(['1', '2']);
    await put(store, { last: '1' });
    expect(await watching).to.have.length(1);
  });

  it('uses the next endpoint where one is not there', async () => {
    const free = new Relay('127.0.0.1:1');
    const dead = await free.start();
    await free.stop();
    const store = await open(`/${randomUUID()}`, `${dead},${etcd.address}`);
    const start = await put(store, { a: '1' });
    const watching = heard(store, '', start, () => true);
    await remove(store, 'a');
    expect(await watching).to.have.length(1);
    expect(await codeOf(openStore(`etcd://${dead}`, silentLogger, noKubernetes))).to.equal('UNAVAILABLE');
  });

  it('has nobody lead while whoever led is cut off and another leads', async () => {
    const root = `/${randomUUID()}`;
    const relay = new Relay(etcd.address);
    const first = await open(root, await relay.start());
    const second = await open(root);
    const stop = new AbortController();
    const told: string[] = [];
    const leading = [
      first.lead('x', (leads) => told.push(`first ${leads}`), stop.signal),
      until('the first leader', () => told.length === 1).then(() =>
        second.lead('x', (leads) => told.push(`second ${leads}`), stop.signal),
      ),
    ];
    try {
      await until('the first leader', () => told.length === 1);
      relay.cut();
      await until('the lead of the second', () => told.includes('second true'), 40_000);
      expect(told).to.deep.equal(['first true', 'first false', 'second true']);
    } finally {
      stop.abort();
      await relay.stop();
      await Promise.all(leading);
    }
  });

  it('says FULL where etcd is, and changes nothing', async () => {
    const small = await Etcd.start('--quota-backend-bytes', `${3 * 1024 * 1024}`);
    try {
      const store = await open('/full', small.address);
      let n = 0;
      let code: string | undefined;
      // Its size is known when a batch is committed, some writes later.
      for (; n < 100 && code === undefined; n++) {
        const value = Buffer.alloc(500_000, n);
        code = await codeOf(store.transact([], [{ type: 'put', key: `${n}`, value }]));
      }
      expect(code).to.equal('FULL');
      expect((await store.list('')).entries).to.have.length(n - 1);
      await store.close();
    } finally {
      await small.stop();
    }
  });

  it('is reached by TLS, as a user, also after its token has ended', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-etcd-tls-'));
    const file = (name: string): string => join(directory, name);
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('key')];
    openssl('req', '-x509', ...key, '-out', file('cert'), '-days', '2', ...subject);
    writeFileSync(file('password'), 'secret\n');
    writeFileSync(file('wrong'), 'wrong');
    const plain = await Etcd.start();
    const secure = await Etcd.start('--cert-file', file('cert'), '--key-file', file('key'));
    try {
      const address = secure.address.replace('127.0.0.1', 'localhost');
      const byTls = await open('/tls', address, `?ca=${file('cert')}`);
      await put(byTls, { a: '1' });
      expect(await contents(byTls)).to.deep.equal({ a: '1' });
      await byTls.close();
      expect(await codeOf(open('/tls', address, '?tls=true'))).to.equal('UNAVAILABLE');

      for (const name of ['root', 'l7mp']) {
        await plain.post('auth/user/add', { name, password: 'secret' });
        await plain.post('auth/role/add', { name });
        await plain.post('auth/user/grant', { user: name, role: name });
      }
      const perm = { permType: 'READWRITE', key: base64('/mine/'), range_end: base64('/mine0') };
      await plain.post('auth/role/grant', { name: 'l7mp', perm });
      await plain.post('auth/enable', {});
      const user = `?user=l7mp&password-file=${file('password')}`;
      const store = await open('/mine', plain.address, user);
      const start = await put(store, { a: '1' });
      const watching = heard(store, '', start, ({ length }) => length === 2);
      await put(store, { a: '2' });
      // A change of the password ends the user's tokens.
      const { token } = await plain.post('auth/authenticate', { name: 'root', password: 'secret' });
      await plain.post('auth/user/changepw', { name: 'l7mp', password: 'secret' }, token as string);
      await put(store, { a: '3' });
      expect(await watching).to.have.length(2);
      await store.close();
      expect(await codeOf(open('/other', plain.address, user))).to.equal('UNAVAILABLE');
      expect(await codeOf(open('/mine', plain.address))).to.equal('UNAVAILABLE');
      const wrong = `?user=l7mp&password-file=${file('wrong')}`;
      expect(await codeOf(open('/mine', plain.address, wrong))).to.equal('UNAVAILABLE');
    } finally {
      await plain.stop();
      await secure.stop();
      rmSync(directory, { recursive: true });
    }
  });
});
