/** One writer for each file, shared by all that write to it, and closed when the last has done. */
import { stat } from 'node:fs';
import { LineWriter } from '../../../common/line-writer.ts';

/** A share of a writer. */
export interface SharedWriter {
  write(lines: string): void;
  /** Gives the share back. Resolves when, for the last one, all is written. */
  release(): Promise<void>;
}

/** How often a file is looked at that may have been moved away, in ms. */
const LOOK_INTERVAL = 1000;

const files = new Map<string, LogFile>();

/** `onTrouble` and `lookInterval` (ms) of the first share count: who is told of failures, how soon rotation is seen. */
export function shareWriter(
  target: string,
  onTrouble: (message: string) => void,
  lookInterval = LOOK_INTERVAL,
): SharedWriter {
  const path = target === '-' ? 'stdout' : target;
  const file = files.get(path) ?? new LogFile(path, onTrouble, lookInterval);
  files.set(path, file);
  file.shares++;
  return {
    write: (lines) => file.write(lines),
    release: async () => {
      if (--file.shares > 0) return;
      if (files.get(path) === file) files.delete(path);
      await file.writer.close();
    },
  };
}

class LogFile {
  readonly writer: LineWriter;
  shares = 0;
  private readonly path: string;
  private readonly rotates: boolean;
  private readonly lookInterval: number;
  private lookedAt = 0;
  private inode: number | undefined;

  constructor(path: string, onTrouble: (message: string) => void, lookInterval: number) {
    this.path = path;
    this.lookInterval = lookInterval;
    this.writer = new LineWriter(path, onTrouble);
    this.rotates = path !== 'stdout' && path !== 'stderr';
  }

  write(lines: string): void {
    if (this.rotates) this.followRotation();
    this.writer.write(lines);
  }

  /** Log rotation renames the file: then the name is opened anew. */
  private followRotation(): void {
    const now = Date.now();
    if (now - this.lookedAt < this.lookInterval) return;
    this.lookedAt = now;
    stat(this.path, (error, stats) => {
      const inode = error ? undefined : stats.ino;
      if (this.inode !== undefined && inode !== this.inode) this.writer.reopen();
      this.inode = inode;
    });
  }
}
