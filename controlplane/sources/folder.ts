/** A folder of files as a source of objects: followed, file by file. A bad file leaves its objects as they were. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault, FileFaults } from '../../gen/messages.ts';
import { FaultsError, formatFault, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type ConfigObject, idOf, versionOf } from '../model/object.ts';
import type { ObjectSource, SourceHost } from '../model/source.ts';
import { type ObjectFile, readObjects } from './object-file.ts';

export interface FolderOptions {
  readonly log: Logger;
  /** Is given the objects of each file, as `file:NAME`. */
  readonly host: Pick<SourceHost, 'put'>;
  /** Files are written in steps: they are read when nothing happened for so long, in ms. 100 when absent. */
  readonly quiet?: number;
  /** Not every file system tells of changes: the folder is looked at in any case so often, in ms. 10,000 when absent. */
  readonly interval?: number;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_FILES = 10_000;
/** However often something happens, files are read after so long, in ms. */
const LONGEST_QUIET = 1000;

interface KnownFile {
  readonly digest: string;
  readonly objects: readonly ConfigObject[];
  /** What is wrong with it, in the words of its objects. */
  readonly faults: readonly Fault[];
}

export class Folder implements ObjectSource {
  private readonly path: string;
  private readonly options: FolderOptions;
  private readonly files = new Map<string, KnownFile>();
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ticker: NodeJS.Timeout | undefined;
  private due = 0;
  private busy: Promise<void> = Promise.resolve();
  private complaint = '';
  /** By file: what went wrong here with it, as it was said last. */
  private readonly failures = new Map<string, string>();

  constructor(path: string, options: FolderOptions) {
    this.path = path;
    this.options = options;
  }

  /** Reads the folder and follows it from now on. @throws ProxyError where there is no such folder. */
  async start(): Promise<void> {
    await readdir(this.path).catch((error: unknown) => {
      const { code, message } = ProxyError.from(error);
      throw new ProxyError(
        code,
        `--folder: expected a directory that can be read, found ${this.path}: ${message}`,
        error,
      );
    });
    this.follow();
    await this.reload();
    this.ticker = setInterval(() => {
      if (this.watcher === undefined) this.follow();
      void this.reload();
    }, this.options.interval ?? 10_000);
    this.ticker.unref();
  }

  /** The files that can't be taken as they are, in the order of their names, and why. */
  bad(): FileFaults[] {
    const faults = new Map([...this.files].map(([name, file]) => [name, file.faults]));
    for (const [name, found] of this.failures) {
      faults.set(name, [{ path: name, expected: 'a file that can be taken', found }]);
    }
    return [...faults]
      .filter(([, each]) => each.length > 0)
      .map(([file, each]) => ({ file, faults: each }))
      .sort((one, other) => (one.file < other.file ? -1 : 1));
  }

  /** Reads what changed now. It rejects never: what goes wrong is logged. */
  reload(): Promise<void> {
    this.busy = this.busy.then(() => this.scan());
    return this.busy;
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    clearInterval(this.ticker);
    this.watcher?.close();
    await this.busy;
  }

  private follow(): void {
    try {
      this.watcher = watch(this.path, () => this.soon());
    } catch {
      return; // gone for the moment: the ticker tries again
    }
    this.watcher.on('error', () => {
      this.watcher?.close();
      this.watcher = undefined;
    });
  }

  private soon(): void {
    const now = Date.now();
    if (this.timer === undefined) this.due = now + LONGEST_QUIET;
    clearTimeout(this.timer);
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        void this.reload();
      },
      Math.max(0, Math.min(this.options.quiet ?? 100, this.due - now)),
    );
  }

  private async scan(): Promise<void> {
    let names: string[];
    try {
      names = (await readdir(this.path)).filter((name) => /^[^.].*\.(?:ya?ml|json)$/u.test(name)).sort();
    } catch (error) {
      this.complain(String(error), 'the folder is not readable; its objects stay as they are');
      return;
    }
    if (names.length > MAX_FILES) {
      this.complain(
        `${names.length} files`,
        `expected at most ${MAX_FILES} files; the folder's objects stay as they are`,
      );
      return;
    }
    this.complaint = '';
    const present = new Set(names);
    for (const name of names) await this.attempt(name, () => this.read(name));
    for (const name of [...this.files.keys()]) {
      if (!present.has(name)) await this.attempt(name, () => this.drop(name));
    }
    for (const name of this.failures.keys()) {
      if (!present.has(name) && !this.files.has(name)) this.failures.delete(name);
    }
  }

  /** Whatever goes wrong with a file, others go on, and it is tried again with the next look. */
  private async attempt(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.failures.delete(name);
    } catch (error) {
      const text = String(error);
      if (this.failures.get(name) === text) return;
      this.failures.set(name, text);
      const message = 'the file could not be taken; its objects stay as they were, and it is tried again';
      this.options.log.error({ file: name, error: text }, message);
    }
  }

  private async drop(name: string): Promise<void> {
    await this.options.host.put(new Map([[`file:${name}`, []]]));
    this.files.delete(name);
    this.options.log.info({ file: name }, 'the file is gone, and its objects with it');
  }

  /** Makes these the objects of a file: it is known by then, and not before. */
  private async take(name: string, file: KnownFile): Promise<void> {
    await this.options.host.put(new Map([[`file:${name}`, file.objects]]));
    this.files.set(name, file);
  }

  private complain(error: string, message: string): void {
    if (this.complaint !== error) this.options.log.error({ folder: this.path, error }, message);
    this.complaint = error;
  }

  private async read(name: string): Promise<void> {
    const path = join(this.path, name);
    const known = this.files.get(name);
    let text: string;
    try {
      const { size } = await stat(path);
      if (size > MAX_FILE_BYTES) {
        const faults = [{ path: '', expected: `a file of at most ${MAX_FILE_BYTES} bytes`, found: `${size}` }];
        await this.quarantine(name, `size ${size}`, faults);
        return;
      }
      text = await readFile(path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return; // between listing and reading; a dangling link is as good as no file
      await this.quarantine(name, message, [{ path: '', expected: 'a readable file', found: message }]);
      return;
    }
    const digest = createHash('sha256').update(text).digest('hex');
    if (digest === known?.digest) return;
    // An editor that has emptied the file is about to write it.
    if (text === '') {
      await this.quarantine(name, digest, [{ path: '', expected: 'objects, or {} for none', found: 'an empty file' }]);
      return;
    }
    await this.parse(name, text, digest);
  }

  private async parse(name: string, text: string, digest: string): Promise<void> {
    const source = `file:${name}`;
    let file: ObjectFile;
    try {
      file = await readObjects(text);
    } catch (error) {
      if (!(error instanceof FaultsError)) throw error;
      await this.quarantine(name, digest, error.faults);
      return;
    }
    if (file.ignored.length > 0) {
      this.options.log.warn({ file: name, fields: file.ignored }, "left out: that is each proxy's own");
    }
    const changedAt = new Date().toISOString();
    const objects = file.objects.map(({ content }) => {
      const id = idOf(content.key);
      return { ...content, id, version: versionOf(content), revision: 0, source, changedAt };
    });
    await this.take(name, { digest, objects, faults: [] });
  }

  /** The objects that were in the file show what is wrong with it now. */
  private async quarantine(
    name: string,
    digest: string,
    found: readonly (Fault & { readonly line?: number })[],
  ): Promise<void> {
    const known = this.files.get(name);
    if (known?.digest === digest) return;
    const message =
      known === undefined
        ? 'the file is bad, and no good one of that name was seen: it has no objects'
        : 'the file is bad; its objects stay as they were';
    this.options.log.error({ file: name, faults: found.map(formatFault) }, message);
    const faults = found.slice(0, 20).map(({ path, expected, found: what, line }) => ({
      path: `${name}${line === undefined ? '' : `:${line}`}${path === '' ? '' : ` ${path}`}`,
      expected,
      found: what,
    }));
    const objects = (known?.objects ?? []).map((object) => ({ ...object, faults }));
    await this.take(name, { digest, objects, faults });
  }
}
