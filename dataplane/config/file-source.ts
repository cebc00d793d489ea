/** The static file as a source of configuration: reloaded when it changes, refused whole when it is bad. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ConfigSnapshot } from '../core/config.ts';
import { FaultsError, formatFault, ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

export interface FileSourceOptions {
  /** Reads and decodes the file. @throws FaultsError, ProxyError */
  readonly load: () => Promise<ConfigSnapshot>;
  /** Makes it live. @throws FaultsError */
  readonly apply: (snapshot: ConfigSnapshot) => Promise<void>;
  readonly log: Logger;
}

/** Editors write a file in several steps: it is read when it has been quiet for so long, in ms. */
const QUIET = 50;

export class FileSource {
  private readonly path: string;
  private readonly options: FileSourceOptions;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private digest = '';
  private busy: Promise<void> = Promise.resolve();

  constructor(path: string, options: FileSourceOptions) {
    this.path = path;
    this.options = options;
  }

  /** Follows the file from now on. The directory is watched: editors and Kubernetes put a new file in its place. */
  watch(): void {
    void this.remember();
    this.watcher = watch(dirname(this.path), () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.reloadIfChanged(), QUIET);
    });
    this.watcher.on('error', (error) => {
      this.options.log.error({ file: this.path, error: error.message }, 'the configuration is not watched any more');
    });
  }

  /** Reads it now. What is wrong is logged; the running configuration stays then. */
  reload(): Promise<void> {
    const task = this.busy.then(() => this.attempt());
    this.busy = task;
    return task;
  }

  close(): void {
    clearTimeout(this.timer);
    this.watcher?.close();
  }

  private async attempt(): Promise<void> {
    const { load, apply, log } = this.options;
    try {
      await this.remember();
      await apply(await load());
    } catch (error) {
      const faults = error instanceof FaultsError ? error.faults.map(formatFault) : [ProxyError.from(error).message];
      log.error({ file: this.path, faults }, 'the configuration was refused; the running one stays');
    }
  }

  private async reloadIfChanged(): Promise<void> {
    if ((await this.hash()) !== this.digest) await this.reload();
  }

  private async remember(): Promise<void> {
    this.digest = await this.hash();
  }

  private async hash(): Promise<string> {
    try {
      return createHash('sha256')
        .update(await readFile(this.path))
        .digest('hex');
    } catch {
      return ''; // gone for the moment: the load says so, if it stays so
    }
  }
}
