/** One process has a directory, for as long as it lives: flock(2), which the kernel lets go of however a process ends. */
import { openSync, closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { makeDirectory } from '../../../common/make-directory.ts';
import { StoreError } from '../../core/store.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

// The C library that Node.js itself runs with.
const flock = koffi.load(null).func('int flock(int fd, int operation)') as (fd: number, operation: number) => number;

/**
 * Makes the directory where it is missing, and locks it.
 *
 * @returns what unlocks it.
 * @throws StoreError `LOCKED` where another has it; `UNAVAILABLE` where it can't be made or opened.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  const fd = openLock(directory, path);
  if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    closeSync(fd);
    const owner = readFileSync(path, 'utf8').trim();
    throw new StoreError(
      'LOCKED',
      `${directory} is in use${owner === '' ? '' : ` by the process ${owner}`}: end that one, or take another directory`,
    );
  }
  // Only to be told to those who come too late.
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch {
    // The disk may be full: the lock holds without.
  }
  return () => closeSync(fd);
}

function openLock(directory: string, path: string): number {
  try {
    makeDirectory(directory, 0o700);
    return openSync(path, 'a+', 0o600);
  } catch (error) {
    throw new StoreError('UNAVAILABLE', `can't use ${directory} as a store: ${(error as Error).message}`, error);
  }
}
