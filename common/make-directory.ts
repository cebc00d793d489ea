/** Makes directories, one by one: mkdir of Node.js tries for ever where a file system says ENOENT of what can't be made (/proc). */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** Those above it, too, where they are missing. @throws Error of the system */
export function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return; // what is no directory is told by whoever uses it
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    makeDirectory(parent, mode);
    mkdirSync(path, { mode });
  }
}
