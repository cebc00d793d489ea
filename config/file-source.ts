/** The static file as a source of configuration: reloaded when it changes, where it can be; refused whole when it is bad. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { BLANK, isBlank } from './blank.ts';
import type { Refusal, Reloads } from './reloads.ts';
import type { ConfigSnapshot } from './snapshot.ts';
import { FaultsError, formatFault, ProxyError } from '../common/errors.ts';
import { FilePoller } from '../common/file-poller.ts';
import type { Logger } from '../common/log.ts';
import { isReadOnce, readText } from '../common/text-file.ts';

/** Who is told of changes. */
export interface Follower {
  /** Makes it live. @throws FaultsError */
  readonly apply: (snapshot: ConfigSnapshot) => Promise<void>;
  readonly log: Logger;
}

/** Editors write a file in several steps: it is read when it has been quiet for so long, in ms. */
const QUIET = 50;
/** When it is read again after there was no descriptor for it, in ms. */
const RETRY = 1000;

const SPENT = 'it came from standard input or a pipe';

export class FileSource implements Reloads {
  succeeded = 0;
  failed = 0;
  refusal: Refusal | undefined;
  private readonly path: string;
  private readonly decode: (text: string) => Promise<ConfigSnapshot>;
  private follower: Follower | undefined;
  private watcher: FSWatcher | undefined;
  private poller: FilePoller | undefined;
  private closed = false;
  /** It was standard input or a pipe: there is nothing in it any more. */
  private spent = false;
  /** It could not be read for want of descriptors; that is said once. */
  private short = false;
  private timer: NodeJS.Timeout | undefined;
  /** Of the text that was loaded last; empty where the file could not be read. */
  private digest = '';
  /** Whether that text said nothing at all. */
  private blank = false;
  private busy: Promise<void> = Promise.resolve();

  /** `decode` throws FaultsError. */
  constructor(path: string, decode: (text: string) => Promise<ConfigSnapshot>) {
    this.path = path;
    this.decode = decode;
  }

  /** Reads it now. @throws FaultsError, ProxyError */
  async load(): Promise<ConfigSnapshot> {
    this.digest = '';
    this.spent = await isReadOnce(this.path);
    const text = await readText(this.path);
    this.digest = digestOf(text);
    this.blank = isBlank(text);
    // Whoever was to write it has failed.
    if (this.blank && this.spent) throw new FaultsError([BLANK]);
    return this.decode(text);
  }

  /** From now on, `reload` and (with `watching`) changes since the last load are for this one. */
  follow(follower: Follower, watching: boolean): void {
    this.follower = follower;
    if (!watching) return;
    if (this.spent) {
      follower.log.info({ file: this.path }, `the configuration was read once and is not watched: ${SPENT}`);
      return;
    }
    this.poller = new FilePoller([this.path], () => this.checkSoon());
    this.poller.start();
    this.watchDirectory();
    this.checkSoon();
  }

  /** Changes are heard of at once, where that is possible: editors and Kubernetes put a new file in the old one's place. */
  private watchDirectory(): void {
    try {
      this.watcher = watch(dirname(this.path), () => this.checkSoon());
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      // There are no more watches (fs.inotify.max_user_watches), say: the poller tells a second later.
    }
  }

  /** Reads it now. What is wrong is logged; the running configuration stays then. */
  reload(): Promise<void> {
    const task = this.busy.then(() => this.attempt());
    this.busy = task;
    return task;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.watcher?.close();
    this.poller?.close();
  }

  private async attempt(): Promise<void> {
    const { follower } = this;
    if (this.spent) {
      follower?.log.warn({ file: this.path }, `the configuration cannot be read again: ${SPENT}`);
      return;
    }
    try {
      const snapshot = await this.load();
      if (this.blank) throw new FaultsError([BLANK]);
      await follower?.apply(snapshot);
      this.short = false;
      this.succeeded++;
      this.refusal = undefined;
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      if (code === 'NO_DESCRIPTORS') {
        this.tryAgain(message);
        return;
      }
      const faults = error instanceof FaultsError ? error.faults.map(formatFault) : [message];
      this.failed++;
      this.refusal = { at: Date.now(), file: this.path, faults };
      follower?.log.error({ file: this.path, faults }, 'the configuration was refused; the running one stays');
    }
  }

  /** Nothing is wrong with the file, and nothing tells when a descriptor is free. */
  private tryAgain(error: string): void {
    const text = 'the configuration can not be read for want of descriptors; it is tried again';
    if (!this.short) this.follower?.log.warn({ file: this.path, error }, text);
    this.short = true;
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => void this.reload(), RETRY);
  }

  private checkSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.reloadIfChanged(), QUIET);
  }

  private async reloadIfChanged(): Promise<void> {
    const digest = await readText(this.path).then(digestOf, () => ''); // gone for the moment: the load says so, if it stays so
    if (digest !== this.digest) await this.reload();
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
