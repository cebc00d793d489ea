/** Looks at files every second. By polling: files that are mounted or linked anew are missed by inotify. */
import { type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How often files are looked at, in ms. */
const INTERVAL = 1000;

/** Tells of every change since it was made, also of those that came before it was started. */
export class FilePoller {
  /** How each file looked last; empty where there is none. */
  private readonly looks: Map<string, string>;
  private readonly onChange: () => void;
  private timer: NodeJS.Timeout | undefined;
  private looking = false;

  /** To be made before the files are read: what is read later is told of later. */
  constructor(files: readonly string[], onChange: () => void) {
    this.onChange = onChange;
    this.looks = new Map(files.map((file) => [file, lookOf(statNow(file))]));
  }

  /** Begins, without keeping the process alive; until `close`. */
  start(): void {
    if (this.looks.size > 0) this.timer ??= setInterval(() => void this.look(), INTERVAL).unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    if (this.looking) return; // a file system that hangs is asked once
    this.looking = true;
    let changed = false;
    for (const [file, before] of this.looks) {
      const now = lookOf(await stat(file).catch(() => undefined));
      if (now === before) continue;
      this.looks.set(file, now);
      changed = true;
    }
    this.looking = false;
    if (changed && this.timer !== undefined) this.onChange();
  }
}

function statNow(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

function lookOf(stats: Stats | undefined): string {
  return stats === undefined ? '' : [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join();
}
