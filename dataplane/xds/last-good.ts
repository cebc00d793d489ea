/** The last good configuration on disk: what a restarted proxy serves before the control plane answers. */
import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory } from '../../common/make-directory.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Held } from './types.ts';

/** A resource as it is kept. */
export interface Kept {
  readonly typeUrl: string;
  readonly version: string;
  readonly name: string;
  readonly value: Buffer;
}

export interface LastGoodOptions {
  readonly directory: string;
  /** Whose configuration it is: that of another proxy is not taken. */
  readonly id: string;
  readonly typeUrlOf: (held: Held) => string;
  /** How long changes are collected, in ms. */
  readonly delay: number;
  readonly log: Logger;
}

const FORMAT = 1;

/** The first line is a digest of the rest: JSON. It holds private keys, so only its owner may read it. */
export class LastGood {
  private readonly options: LastGoodOptions;
  private readonly path: string;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private pending: readonly Held[] | undefined;

  constructor(options: LastGoodOptions) {
    this.options = options;
    this.path = join(options.directory, 'controlplane.json');
  }

  /** Undefined where there is none, or it is damaged: that is logged. */
  async load(): Promise<readonly Kept[] | undefined> {
    const { log, id } = this.options;
    try {
      const text = await readFile(this.path, 'utf8');
      const end = text.indexOf('\n');
      const body = text.slice(end + 1);
      if (end < 0 || text.slice(0, end) !== digest(body)) throw new Error('expected its digest to fit, found another');
      const { format, node, resources } = JSON.parse(body) as { format: number; node: string; resources: string[][] };
      if (format !== FORMAT) throw new Error(`expected format ${FORMAT}, found ${format}`);
      if (node !== id) throw new Error(`expected that of proxy "${id}", found that of "${node}"`);
      return resources.map(([typeUrl = '', name = '', version = '', value = '']) => ({
        typeUrl,
        name,
        version,
        value: Buffer.from(value, 'base64'),
      }));
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      if (code !== 'NOT_FOUND')
        log.warn({ file: this.path, error: message }, 'the last good configuration is passed over');
      return undefined;
    }
  }

  /** Writes these, soon; only the last ones that are given until then. */
  save(resources: readonly Held[]): void {
    this.pending = resources;
    this.timer ??= setTimeout(() => void this.flush(), this.options.delay).unref();
  }

  /** What is to be saved is on disk when it resolves. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { pending } = this;
    this.pending = undefined;
    if (pending) this.writing = this.writing.then(() => this.write(pending));
    return this.writing;
  }

  private async write(resources: readonly Held[]): Promise<void> {
    const { log } = this.options;
    const draft = `${this.path}.new`;
    try {
      const body = this.format(resources);
      makeDirectory(dirname(this.path), 0o700);
      const file = await open(draft, 'w', 0o600);
      try {
        await file.chmod(0o600); // whatever a draft that was there had
        await file.writeFile(`${digest(body)}\n${body}`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.path);
      const directory = await open(dirname(this.path));
      await directory.sync().finally(() => directory.close());
    } catch (error) {
      log.error({ file: this.path, error: ProxyError.from(error).message }, 'the last good configuration is not saved');
    }
  }

  /** @throws RangeError where it is longer than a text may be. */
  private format(resources: readonly Held[]): string {
    const { id, typeUrlOf } = this.options;
    const list = resources.map((held) => [typeUrlOf(held), held.name, held.version, held.value.toString('base64')]);
    return JSON.stringify({ format: FORMAT, node: id, resources: list });
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
