import { expect } from 'chai';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDirectory } from '../../../common/make-directory.ts';

describe('Making a directory', () => {
  let directory: string;

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  it('makes those above it, too, and leaves what is there', () => {
    const path = join(directory, 'a/b/c');
    makeDirectory(path, 0o700);
    makeDirectory(path, 0o755);
    expect([join(directory, 'a'), path].map((each) => statSync(each).mode & 0o777)).to.deep.equal([0o700, 0o700]);
  });

  it('fails where there is a file above it', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(() => makeDirectory(join(directory, 'file/a'), 0o700)).to.throw('ENOTDIR');
  });

  it('fails where the file system can not have it, instead of trying for ever', () => {
    expect(() => makeDirectory('/proc/l7mp/a', 0o700)).to.throw('ENOENT');
  });
});
