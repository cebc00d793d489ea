/** Backups: whole or refused, and the same for every store. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Store } from '../../../../controlplane/core/store.ts';
import { backup, restore } from '../../../../controlplane/store/backup.ts';
import { openStore } from '../../../../controlplane/store/open.ts';
import { noKubernetes, silentLogger } from '../../../support/doubles.ts';
import { codeOf, contents, put } from '../../../support/store-contract.ts';

describe('backup of a store', () => {
  let directory: string;
  let store: Store;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-backup-'));
    store = await openStore(`embedded:${directory}`, silentLogger, noKubernetes);
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  const taken = async (): Promise<string> => {
    let text = '';
    await backup(store, (part) => void (text += part));
    return text;
  };

  it('is lines of JSON with a head and a checksum that others can check', async () => {
    const revision = await put(store, { 'b/ü\n': 'two', a: '\0\u00ff' });
    const text = await taken();
    const lines = text.trimEnd().split('\n');
    expect(lines.slice(0, 3).map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      { format: 'l7mp-backup', version: 1, revision, entries: 2 },
      { key: 'a', value: Buffer.from('\0\u00ff').toString('base64') },
      { key: 'b/ü\n', value: Buffer.from('two').toString('base64') },
    ]);
    const sha256 = createHash('sha256')
      .update(`${lines.slice(0, 3).join('\n')}\n`)
      .digest('hex');
    expect(JSON.parse(lines[3]!)).to.deep.equal({ sha256 });
  });

  it('is restored in place of all that is there, in pieces of any size', async () => {
    await put(store, { a: '1', b: 'ü'.repeat(100_000), empty: '' });
    const before = await contents(store);
    const text = Buffer.from(await taken());
    for (const size of [7, 4096, text.length]) {
      await put(store, { a: 'changed', new: '1' });
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.subarray(i * size, (i + 1) * size),
      );
      const { keys, revision } = await restore(store, pieces);
      expect(keys).to.have.length(3);
      expect(revision).to.equal(await store.revision());
      expect(await contents(store)).to.deep.equal(before);
    }
  });

  it('of an empty store empties another', async () => {
    const text = await taken();
    await put(store, { a: '1' });
    await restore(store, [text]);
    expect(await contents(store)).to.deep.equal({});
  });

  it('has nothing of what replicas say of their proxies, and takes none of it from one that has', async () => {
    await put(store, { 'live/head': '1', 'status/cp-1/beat': '{}' });
    const text = await taken();
    expect(text).to.not.contain('status/');
    const lines = [
      JSON.stringify({ format: 'l7mp-backup', version: 1, revision: 1, entries: 2 }),
      JSON.stringify({ key: 'live/head', value: Buffer.from('2').toString('base64') }),
      JSON.stringify({ key: 'status/cp-0/beat', value: Buffer.from('{}').toString('base64') }),
    ];
    const body = `${lines.join('\n')}\n`;
    const sha256 = createHash('sha256').update(body).digest('hex');
    const { keys } = await restore(store, [`${body}${JSON.stringify({ sha256 })}\n`]);
    expect(keys).to.deep.equal(['live/head']);
    expect(await contents(store)).to.deep.equal({ 'live/head': '2' });
  });

  it('is refused where any of it was changed or is missing: nothing is changed', async () => {
    await put(store, { a: '1', b: '2' });
    const text = await taken();
    await put(store, { c: 'kept' });
    const { revision } = await store.list('');
    const [head = '', a = '', b = '', sum = ''] = text.split('\n');
    const wrong = [
      '',
      'no backup',
      text.replace('l7mp-backup', 'other'),
      text.replace('"version":1', '"version":2'),
      `${[head, a, b].join('\n')}\n`,
      `${[head, a, sum].join('\n')}\n`,
      `${[head, a, a, sum].join('\n')}\n`,
      `${[head, b, a, sum].join('\n')}\n`,
      `${[a, b, sum].join('\n')}\n`,
      `${text}${a}\n`,
      text.replace('"a"', '"x"'),
      ...Array.from({ length: text.length - 1 }, (_, size) => text.slice(0, size)),
    ];
    for (const each of wrong) expect(await codeOf(restore(store, [each])), each).to.equal('CORRUPT');
    expect(await store.revision()).to.equal(revision);
  });

  it('stops with what reads or writes it', async () => {
    await put(store, { a: '1' });
    const text = await taken();
    const failing = (function* (): Generator<string> {
      yield text.slice(0, -5);
      throw new Error('it broke off');
    })();
    let fault: unknown;
    await restore(store, failing).catch((error: unknown) => (fault = error));
    expect(fault).to.have.property('message', 'it broke off');
    const full = backup(store, () => Promise.reject(new Error('no room')));
    await full.catch((error: unknown) => (fault = error));
    expect(fault).to.have.property('message', 'no room');
    expect(await contents(store)).to.deep.equal({ a: '1' });
  });

  it('is not of a line without an end', async () => {
    const endless = (function* (): Generator<string> {
      for (;;) yield 'x'.repeat(100_000);
    })();
    expect(await codeOf(restore(store, endless))).to.equal('CORRUPT');
  });

  it('is not of more entries than it says at its start, however many there are', async () => {
    let lines = 0;
    const endless = (function* (): Generator<string> {
      yield '{"format":"l7mp-backup","version":1,"revision":1,"entries":2}\n';
      for (; ; lines++) yield `{"key":"${lines}","value":""}\n`;
    })();
    let message = '';
    await restore(store, endless).catch((error: unknown) => ({ message } = error as Error));
    expect([message, lines]).to.deep.equal([
      'this is no whole backup: line 4: expected 2 entries, found another one; nothing was changed',
      2,
    ]);
  });
});

describe('the URL of a store', () => {
  const faultsOf = async (url: string): Promise<string[]> => {
    try {
      await (await openStore(url, silentLogger, noKubernetes)).close();
    } catch (error) {
      if (error instanceof RangeError) return error.message.split('\n');
      throw error;
    }
    return [];
  };

  it('is refused with all of its faults', async () => {
    expect(await faultsOf('redis://a:1')).to.deep.equal([
      'store redis://a:1: expected embedded:DIRECTORY, etcd://HOST:PORT,…/PREFIX or kubernetes:NAMESPACE/NAME',
    ]);
    expect(await faultsOf('embedded:?history=0&quota=x&wrong=1&history-age=1&history-age=2')).to.deep.equal([
      'store embedded: wrong: expected one of history, history-age, quota',
      'store embedded: history-age: expected once, found twice',
      'store embedded: history: expected a whole number above 0, found "0"',
      'store embedded: quota: expected a whole number above 0, found "x"',
      'store embedded: expected a directory, found none',
    ]);
    const etcd = await faultsOf('etcd://a:1,b,c:99999/x?tls=no&cert=/missing&user=u');
    expect(etcd).to.have.length(6);
    expect(etcd.slice(0, 3)).to.deep.equal([
      'store etcd: expected endpoints as HOST:PORT, found "b"',
      'store etcd: expected endpoints as HOST:PORT, found "c:99999"',
      'store etcd: tls: expected true or false, found "no"',
    ]);
    expect(etcd.at(-1)).to.match(/^store etcd: cert: .*\/missing/u);
    expect(await faultsOf('kubernetes:A_b/?name=x')).to.deep.equal([
      'store kubernetes: name: expected no options',
      'store kubernetes: the namespace: expected at most 63 of a-z, 0-9 and -, with no - first or last, found "A_b"',
      'store kubernetes: the name: expected at most 30 of a-z, 0-9 and -, with no - first or last, found ""',
    ]);
    expect(await faultsOf('etcd:')).to.deep.equal(['store etcd: expected endpoints as HOST:PORT, found ""']);
  });

  it('sets what the embedded store keeps and takes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-url-'));
    const store = await openStore(
      `embedded:${directory}?history=2&history-age=60&quota=1000`,
      silentLogger,
      noKubernetes,
    );
    const { signal } = new AbortController();
    for (let i = 0; i < 4; i++) await put(store, { a: `${i}` });
    expect(await codeOf(store.watch('', 1, signal)[Symbol.asyncIterator]().next())).to.equal('COMPACTED');
    expect(await codeOf(put(store, { a: 'x'.repeat(1000) }))).to.equal('FULL');
    await store.close();
    rmSync(directory, { recursive: true });
  });
});
