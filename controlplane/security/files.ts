/** Files that are read again when they change, or when the process is told to. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ProxyError } from '../../common/errors.ts';
import { FilePoller } from '../../common/file-poller.ts';
import type { Logger } from '../../common/log.ts';

/** Reads a file. @throws ProxyError that says which option wants it. */
export function readOption(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `${option}: expected a file that can be read, found ${file}: ${message}`, error);
  }
}

/** Files, and what is made of them: made anew when their content has changed; what can't be made changes nothing. */
export class WatchedFiles {
  private readonly files: readonly string[];
  private readonly load: () => Promise<void> | void;
  private readonly log: Logger;
  private readonly poller: FilePoller;
  private digest: string;
  private busy: Promise<void> = Promise.resolve();

  /** `load` was called for the present content already. It throws where the new content is bad. */
  constructor(files: readonly string[], load: () => Promise<void> | void, log: Logger) {
    this.files = files;
    this.load = load;
    this.log = log;
    this.poller = new FilePoller(files, () => void this.reload());
    this.digest = this.hash();
    this.poller.start();
  }

  /** Looks at them now. */
  reload(): Promise<void> {
    const task = this.busy.then(() => this.attempt());
    this.busy = task;
    return task;
  }

  close(): void {
    this.poller.close();
  }

  private async attempt(): Promise<void> {
    const { files, log } = this;
    const digest = this.hash();
    if (digest === this.digest) return;
    try {
      await this.load();
      this.digest = digest;
      log.info({ files }, 'files were loaded again');
    } catch (error) {
      // The digest stays: a certificate whose key has not come yet is tried again with the next look at its key.
      log.error({ files, error: ProxyError.from(error).message }, 'files could not be loaded; what was loaded stays');
    }
  }

  private hash(): string {
    const hash = createHash('sha256');
    for (const file of this.files) {
      try {
        hash.update(readFileSync(file));
      } catch {
        hash.update('gone');
      }
      hash.update('\0');
    }
    return hash.digest('hex');
  }
}
