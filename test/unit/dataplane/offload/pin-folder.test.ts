import { expect } from 'chai';
import { fstatSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PinFolder, unpin } from '../../../../dataplane/offload/pin-folder.ts';
import { silentLogger } from '../../../support/doubles.ts';

const VERSION = 'v0123456789ab';
const MAPS = ['ports', 'slots', 'flows', 'counters', 'notes'];

/** As on any file system: what is pinned is a file to it. */
describe('a folder of what is pinned', () => {
  let place: string;
  let lock: number;

  const holds = (version: string, ...names: string[]): void => {
    mkdirSync(join(place, version));
    for (const name of [...MAPS, ...names]) writeFileSync(join(place, version, name), '');
  };
  const open = (): PinFolder => new PinFolder(place, (lock = openSync(place, 'r')), VERSION, silentLogger);

  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'l7mp-pins-'));
  });
  afterEach(() => rmSync(place, { recursive: true }));

  it('removes a link, and one that was to take its place', () => {
    holds(VERSION, 'link-3', 'link-3-new', 'link-33');
    const folder = open();
    folder.removeLink(3);
    expect(folder.links).to.deep.equal([33]);
    folder.close(true);
  });

  for (const [where, foreign] of [
    ['beside versions', 'mine'],
    ['beside maps', `${VERSION}/mine`],
  ] as const) {
    it(`has the kernel let go of what is its own where there is something else ${where}`, () => {
      holds(VERSION, 'link-3', 'link-4-new');
      mkdirSync(join(place, foreign));
      expect(open).to.throw(/expected .* alone, found mine; remove it$/u);
      expect(readdirSync(join(place, VERSION)).filter((name) => name !== 'mine')).to.deep.equal([]);
      expect(() => fstatSync(lock), 'unlocked').to.throw('EBADF');
    });
  }

  it('says why it is not known whether there is anything', async () => {
    const file = join(place, 'file');
    writeFileSync(file, '');
    let found = 'nothing';
    await unpin({ folder: file, id: 'one', log: silentLogger }).catch((error: unknown) => (found = String(error)));
    expect(found).to.contain('not a directory');
    await unpin({ folder: join(place, 'none'), id: 'one', log: silentLogger });
  });
});
