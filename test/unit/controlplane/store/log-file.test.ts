/** The embedded store's file: cuts and damage at every byte. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Entry, StoreError } from '../../../../controlplane/core/store.ts';
import { EMBEDDED_DEFAULTS, openEmbedded } from '../../../../controlplane/store/embedded/store.ts';
import { loadState } from '../../../../controlplane/store/embedded/state.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { put, remove } from '../../../support/store-contract.ts';

const textOf = (entries: readonly Entry[]): string =>
  JSON.stringify(
    entries.map(({ key, value, createRevision, modRevision }) => [
      key,
      value.toString('hex'),
      createRevision,
      modRevision,
    ]),
  );

describe("the embedded store's file", function () {
  this.timeout(60_000);
  let directory: string;
  let path: string;
  let whole: Buffer;
  /** The file's size after each write, by revision. */
  const sizes = new Map<number, number>();
  /** The contents by revision. */
  const states = new Map<number, string>();

  const load = (file: Buffer): { state: string; revision: number; size: number } | StoreError => {
    const changed = join(directory, 'changed');
    writeFileSync(changed, file);
    try {
      const { state, size } = loadState(changed, EMBEDDED_DEFAULTS.history);
      return { state: textOf(state.entries.list('')), revision: state.revision, size };
    } catch (error) {
      if (error instanceof StoreError) return error;
      throw error;
    }
  };

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-file-'));
    path = join(directory, 'store.log');
    const store = await openEmbedded(directory, silentLogger);
    const note = async (): Promise<void> => {
      const { entries, revision } = await store.list('');
      sizes.set(revision, readFileSync(path).length);
      states.set(revision, textOf(entries));
    };
    await note();
    await put(store, { a: '1', 'b/ü': 'x'.repeat(30) });
    await note();
    await put(store, { a: '\0'.repeat(600) });
    await note();
    await remove(store, 'a');
    await note();
    await put(store, { zeros: '\0'.repeat(600) });
    await note();
    await store.close();
    whole = readFileSync(path);
  });
  after(() => rmSync(directory, { recursive: true }));

  it('that is cut anywhere has all that was whole before the cut', () => {
    const first = Math.min(...sizes.values());
    for (let size = 0; size < whole.length; size++) {
      const found = load(whole.subarray(0, size));
      if (size < first) {
        expect(found, `cut at ${size}`).to.include({ code: 'CORRUPT' });
        continue;
      }
      const [revision = 0, good = 0] = [...sizes].filter(([, each]) => each <= size).at(-1) ?? [];
      expect(found, `cut at ${size}`).to.deep.equal({ state: states.get(revision), revision, size: good });
    }
  });

  it('that a disk did not write from a sector on has all that was whole before', () => {
    for (let start = 512; start < whole.length; start += 512) {
      const file = Buffer.from(whole);
      file.fill(0, start);
      const [revision = 0] = [...sizes].filter(([, size]) => size <= start).at(-1) ?? [];
      expect(load(file), `zeros from ${start}`).to.include({ revision, state: states.get(revision) });
    }
  });

  it('that is damaged anywhere is refused, with its name and what to do', () => {
    for (let position = 0; position < whole.length; position++) {
      const file = Buffer.from(whole);
      file[position] = (file[position] ?? 0) ^ 0x41;
      const found = load(file);
      expect(found, `damage at ${position}`).to.include({ code: 'CORRUPT' });
      expect((found as StoreError).message)
        .to.include(join(directory, 'changed'))
        .and.match(/backup/u);
    }
  });

  it('that has lost a record in its midst is refused', () => {
    const [, first = 0, second = 0] = sizes.values();
    expect(load(Buffer.concat([whole.subarray(0, first), whole.subarray(second)]))).to.include({ code: 'CORRUPT' });
    expect(load(Buffer.concat([whole, whole.subarray(first)]))).to.include({ code: 'CORRUPT' });
  });

  it('that is cut is opened, and goes on from there', async () => {
    const other = mkdtempSync(join(tmpdir(), 'l7mp-file-'));
    try {
      const [, first = 0] = sizes.values();
      writeFileSync(join(other, 'store.log'), whole.subarray(0, first + 5));
      for (let round = 0; round < 2; round++) {
        const store = await openEmbedded(other, silentLogger);
        const revision = await store.revision();
        expect(await put(store, { [`again${round}`]: '1' })).to.equal(revision + 1);
        await store.close();
      }
      expect(loadState(join(other, 'store.log'), EMBEDDED_DEFAULTS.history).state.entries.size).to.equal(4);
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});
