/** The embedded store: the contract, its lock, a full disk, and what it keeps. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Store, StoreError } from '../../../../controlplane/core/store.ts';
import {
  EMBEDDED_DEFAULTS,
  type EmbeddedOptions,
  openEmbedded,
} from '../../../../controlplane/store/embedded/store.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { Peer } from '../../../support/peer.ts';
import { bytes, codeOf, contents, heard, put, storeContract } from '../../../support/store-contract.ts';
import { until } from '../../../support/until.ts';

storeContract('embedded store', 'one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-store-'));
  let store = await openEmbedded(directory, silentLogger);
  return {
    store,
    replica: () => Promise.reject(new Error('it has one process')),
    reopen: async () => {
      await store.close();
      store = await openEmbedded(directory, silentLogger);
      return store;
    },
    close: async () => {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});

describe('embedded store', function () {
  this.timeout(30_000);
  let directory: string;
  const opened: Store[] = [];

  const open = async (options: Partial<EmbeddedOptions> = {}, at = directory): Promise<Store> => {
    const store = await openEmbedded(at, silentLogger, { ...EMBEDDED_DEFAULTS, ...options });
    opened.push(store);
    return store;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-store-'));
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
    rmSync(directory, { recursive: true });
  });

  it('is open once: by this process or another', async () => {
    const store = await open();
    let fault: unknown;
    await open().catch((error: unknown) => (fault = error));
    expect(fault).to.be.instanceOf(StoreError).that.includes({ code: 'LOCKED' });
    expect((fault as Error).message)
      .to.include(directory)
      .and.include(`process ${process.pid}`);
    await store.close();

    const other = new Peer('flock', [join(directory, 'lock'), 'sh', '-c', 'echo locked; cat']);
    await other.output(/locked/u);
    expect(await codeOf(open())).to.equal('LOCKED');
    other.endInput();
    await other.exit;
    await open();
    expect(() => execFileSync('flock', ['--nonblock', join(directory, 'lock'), 'true'])).to.throw();
  });

  it('refuses a directory that is none', async () => {
    writeFileSync(join(directory, 'file'), '');
    expect(await codeOf(open({}, join(directory, 'file')))).to.equal('UNAVAILABLE');
  });

  it('shows its files to nobody else', async () => {
    const store = await open({}, join(directory, 'made'));
    await put(store, { secret: '1' });
    expect(statSync(join(directory, 'made')).mode & 0o777).to.equal(0o700);
    for (const name of ['lock', 'store.log']) {
      expect(statSync(join(directory, 'made', name)).mode & 0o777, name).to.equal(0o600);
    }
  });

  it('keeps changes for watches by count, also when it is opened again', async () => {
    const history = { ...EMBEDDED_DEFAULTS.history, changes: 10 };
    let store = await open({ history });
    const revisions: number[] = [];
    for (let i = 0; i < 30; i++) revisions.push(await put(store, { a: `${i}` }));
    for (let round = 0; round < 2; round++) {
      const { signal } = new AbortController();
      const tooOld = store.watch('', revisions[18]!, signal)[Symbol.asyncIterator]().next();
      expect(await codeOf(tooOld)).to.equal('COMPACTED');
      const changes = await heard(store, '', revisions[19]!, ({ length }) => length === 10);
      expect(changes.map(({ revision }) => revision)).to.deep.equal(revisions.slice(20));
      await store.close();
      store = await open({ history });
    }
  });

  it('keeps changes for watches by bytes and by age', async () => {
    const { signal } = new AbortController();
    for (const limit of [{ bytes: 5000 }, { ageMs: -1 }]) {
      const store = await open({ history: { ...EMBEDDED_DEFAULTS.history, ...limit } }, join(directory, 'x'));
      const start = await store.revision();
      for (let i = 0; i < 10; i++) await put(store, { a: 'x'.repeat(1000) });
      expect(await codeOf(store.watch('', start, signal)[Symbol.asyncIterator]().next())).to.equal('COMPACTED');
      await store.close();
    }
  });

  it('takes bounded room for endless changes of the same keys', async () => {
    const options = { slackBytes: 64 * 1024, history: { ...EMBEDDED_DEFAULTS.history, changes: 10 } };
    let store = await open(options);
    const value = 'x'.repeat(4000);
    let largest = 0;
    for (let round = 0; round < 100; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => put(store, { [`k${i % 5}`]: `${round} ${value}` })));
      largest = Math.max(largest, statSync(join(directory, 'store.log')).size);
    }
    // 8 MB were written; what comes while the file is rewritten is added to the old one.
    expect(largest).to.be.below(4_000_000);
    const before = await store.list('');
    await store.close();
    expect(readdirSync(directory)).to.have.members(['lock', 'store.log']);
    store = await open(options);
    expect(await store.list('')).to.deep.equal(before);
  });

  it('takes no more than its quota, and deletions always', async () => {
    const store = await open({ quotaBytes: 10_000 });
    await put(store, { a: 'x'.repeat(5000) });
    const large = store.transact([], [{ type: 'put', key: 'b', value: bytes('x'.repeat(6000)) }]);
    const [code, small] = await Promise.all([codeOf(large), put(store, { c: '1' })]);
    expect(code).to.equal('FULL');
    expect((await store.get('c'))?.modRevision).to.equal(small);
    await put(store, { a: '' });
    await put(store, { b: 'x'.repeat(6000) });
    expect(Object.keys(await contents(store))).to.deep.equal(['a', 'b', 'c']);
  });

  it('says FULL on a full disk, changes nothing, and goes on once there is room', async () => {
    const mounted = join(directory, 'small');
    mkdirSync(mounted);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mounted]);
    try {
      writeFileSync(join(mounted, 'filler'), Buffer.alloc(1024 * 1024));
      let store = await open({}, join(mounted, 'store'));
      const expected: Record<string, string> = {};
      let full = 0;
      const write = async (key: string, size: number): Promise<void> => {
        const value = key.repeat(size / key.length);
        const operations = [`${key}/1`, `${key}/2`].map(
          (each) => ({ type: 'put', key: each, value: bytes(value) }) as const,
        );
        const code = await codeOf(store.transact([], operations));
        if (code === undefined) for (const operation of operations) expected[operation.key] = value;
        else expect(code).to.equal('FULL');
        if (code === 'FULL') full += 1;
      };
      for (let round = 0; round < 4; round++) {
        await Promise.all([write(`a${round}`, 100_000), write(`b${round}`, 200_000), write(`c${round}`, 10)]);
      }
      expect(full).to.be.above(0);
      expect(Object.keys(expected).length).to.be.above(0);
      expect(await contents(store)).to.deep.equal(expected);
      const revision = await store.revision();
      await store.close();
      store = await open({}, join(mounted, 'store'));
      expect(await contents(store)).to.deep.equal(expected);
      expect(await store.revision()).to.equal(revision);

      while ((await codeOf(store.transact([], [{ type: 'put', key: 'z', value: Buffer.alloc(4096) }]))) !== 'FULL');
      rmSync(join(mounted, 'filler'));
      expected['z'] = 'again';
      await put(store, { z: 'again' });
      expect(await contents(store)).to.deep.equal(expected);
      await store.close();
      store = await open({}, join(mounted, 'store'));
      expect(await contents(store)).to.deep.equal(expected);
      await store.close();
    } finally {
      for (const store of opened.splice(0)) await store.close();
      execFileSync('umount', [mounted]);
    }
  });

  it('goes on when it can not be rewritten smaller for want of room', async () => {
    const mounted = join(directory, 'small');
    mkdirSync(mounted);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]);
    const warnings: string[] = [];
    const log = { ...silentLogger, warn: (_: unknown, message: string) => void warnings.push(message) };
    const history = { ...EMBEDDED_DEFAULTS.history, changes: 1 };
    let store = await openEmbedded(mounted, log, { ...EMBEDDED_DEFAULTS, slackBytes: 1000, history });
    try {
      await put(store, { large: 'x'.repeat(250_000) });
      writeFileSync(join(mounted, 'filler'), Buffer.alloc(400_000));
      let n = 0;
      while (warnings.length === 0 && n < 2000) {
        n += 1;
        await put(store, { n: `${n}`.padStart(1000, '0') }).catch((error: unknown) => {
          // Also the file itself comes to the end of the disk.
          if (!(error instanceof StoreError) || error.code !== 'FULL') throw error;
          n -= 1;
        });
      }
      expect(warnings).to.have.length.above(0);
      expect(Number((await contents(store))['n'])).to.equal(n);
      rmSync(join(mounted, 'filler'));
      const before = statSync(join(mounted, 'store.log')).size;
      await until('a smaller log', async () => {
        n += 1;
        await put(store, { n: `${n}` });
        return statSync(join(mounted, 'store.log')).size < before;
      });
      await store.close();
      store = await openEmbedded(mounted, log, EMBEDDED_DEFAULTS);
      expect(Number((await contents(store))['n'])).to.equal(n);
    } finally {
      await store.close();
      execFileSync('umount', [mounted]);
    }
  });
});
