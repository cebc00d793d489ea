/** A directory for the sockets of each test of a suite, which leaves neither it nor descriptors behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { descriptors, expectNoMoreThan } from './descriptors.ts';

/** Within `describe`. `made` is called with the directory, before each test. */
export function inSocketDirectory(made: (directory: string) => void): void {
  let directory: string;
  let before: string[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    before = descriptors();
    made(directory);
  });
  afterEach(async () => {
    rmSync(directory, { recursive: true });
    await expectNoMoreThan(before);
  });
}
