/** The static file as a source of configuration: reloaded when it changes, refused whole when it is bad. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ConfigSnapshot } from '../core/config.ts';
import { FaultsError, formatFault, ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** Who gets what the file says. */
export interface FileTarget {
  /** Makes it live. @throws FaultsError */
  readonly apply: (snapshot: ConfigSnapshot) => Promise<void>;
  readonly log: Logger;
}

/** Editors write a file in several steps: it is read when it has been quiet for so long, in ms. */
const QUIET = 50;

export class FileSource {
  private readonly path: string;
  /** Reads and decodes the file. @throws FaultsError, ProxyError */
  private readonly load: () => Promise<ConfigSnapshot>;
  private target: FileTarget | undefined;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private digest = '';
  private busy: Promise<void> = Promise.resolve();

  constructor(path: string, load: () => Promise<ConfigSnapshot>) {
    this.path = path;
    this.load = load;
  }

  /** Reads it for the first time. @throws FaultsError, ProxyError */
  async first(): Promise<ConfigSnapshot> {
    await this.remember();
    return this.load();
  }

  /**
   * Reloads go to `target` from now on; with `watch` the file is reloaded when it has changed since it was first read. The
   * directory is watched: editors and Kubernetes put a new file in its place.
   */
  follow(target: FileTarget, watching: boolean): void {
    this.target = target;
    if (!watching) return;
    this.watcher = watch(dirname(this.path), () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.reloadIfChanged(), QUIET);
    });
    this.watcher.on('error', (error) => {
      target.log.error({ file: this.path, error: error.message }, 'the configuration is not watched any more');
    });
    void this.reloadIfChanged(); // it may have changed while the proxy started
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
    if (this.target === undefined) return;
    const { apply, log } = this.target;
    try {
      await this.remember();
      await apply(await this.load());
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
