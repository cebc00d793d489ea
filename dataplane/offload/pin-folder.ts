/**
 * A proxy's folder on a bpffs: what is pinned there stays in the kernel when the process is gone.
 *
 * ```
 *   FOLDER/                          admin.offload_pin
 *     ID/                            a proxy's own, locked while it runs
 *       v0123456789ab/               what only programs of the same layouts can go on with
 *         slots flows counters notes
 *         link-3                     the program at the interface 3
 * ```
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { close, EAGAIN, lockFile, systemError } from '../sockets/native/libc.ts';
import { createMap, isMap, type MapOptions, openPinned, pinObject } from './bpf.ts';

/** linux/magic.h */
const BPF_FS_MAGIC = 0xcafe4a11;
const MAPS = ['slots', 'flows', 'counters', 'notes'] as const;
const LINK = /^link-(\d+)(?:-new)?$/u;
const VERSION = /^v[\da-f]{12}$/u;

export interface PinOptions {
  /** On a bpffs. It is made where it isn't there. */
  readonly folder: string;
  /** Whose: several proxies may have the same folder. */
  readonly id: string;
  readonly log: Logger;
}

export class PinFolder {
  private readonly place: string;
  private readonly path: string;
  private readonly lock: number;

  /** `version`: of what is kept. What there is of others is thrown away. @throws ProxyError */
  constructor({ folder, id, log }: PinOptions, version: string) {
    this.place = placeOf(folder, id);
    this.path = join(this.place, version);
    this.lock = take(folder, this.place);
    try {
      for (const name of readdirSync(this.place)) {
        if (!VERSION.test(name)) throw foreign(this.place, 'folders of versions', name);
        if (name === version) continue;
        log.warn(
          { path: join(this.place, name), expected: version },
          'what another version has left in the kernel can not be taken over: its sessions begin anew',
        );
        rmSync(join(this.place, name), { recursive: true });
      }
      mkdirSync(this.path, { mode: 0o700, recursive: true });
      const names = readdirSync(this.path);
      const other = names.find((name) => !LINK.test(name) && !MAPS.some((each) => each === name));
      if (other !== undefined) throw foreign(this.path, `${MAPS.join(', ')} and link-N`, other);
      // Whoever made it did not come to its end, or somebody has helped himself: there is no whole to go on with.
      if (!MAPS.every((name) => names.includes(name))) this.clear();
    } catch (error) {
      closeSync(this.lock);
      throw ProxyError.from(error);
    }
  }

  /** A descriptor of the map that is pinned under the name, or of a new one that is pinned now. @throws ProxyError */
  map(name: (typeof MAPS)[number], options: MapOptions): number {
    const path = join(this.path, name);
    if (!readdirSync(this.path).includes(name)) {
      const fd = createMap(options);
      try {
        pinObject(fd, path);
      } catch (error) {
        close(fd);
        throw error;
      }
      return fd;
    }
    const fd = openPinned(path);
    if (isMap(fd, options)) return fd;
    close(fd);
    throw new ProxyError('INTERNAL', `${path}: expected the map of ${name}, found something else; remove it`);
  }

  /** In place of the one that was pinned for the interface; there is one all the time. @throws ProxyError */
  putLink(ifindex: number, link: number): void {
    const path = join(this.path, `link-${ifindex}`);
    rmSync(`${path}-new`, { force: true });
    pinObject(link, `${path}-new`);
    renameSync(`${path}-new`, path);
  }

  removeLink(ifindex: number): void {
    rmSync(join(this.path, `link-${ifindex}`), { force: true });
  }

  /** The interfaces that links are pinned for. */
  get links(): number[] {
    return readdirSync(this.path)
      .flatMap((name) => LINK.exec(name)?.[1] ?? [])
      .map(Number);
  }

  /** `keep`: for the next process. Somebody may have removed it meanwhile. */
  close(keep: boolean): void {
    if (!keep) rmSync(this.path, { recursive: true, force: true });
    if (!keep && existsSync(this.place) && readdirSync(this.place).length === 0) rmdirSync(this.place);
    closeSync(this.lock);
  }

  private clear(): void {
    for (const name of readdirSync(this.path)) unlinkSync(join(this.path, name));
  }
}

/** Has the kernel let go of all that a proxy of this name has left. Whether there was something. @throws ProxyError */
export function unpin({ folder, id, log }: PinOptions): void {
  const place = placeOf(folder, id);
  let names: string[];
  try {
    names = readdirSync(place);
  } catch {
    return; // nothing was ever pinned
  }
  const lock = take(folder, place);
  try {
    for (const name of names) {
      if (VERSION.test(name)) rmSync(join(place, name), { recursive: true });
    }
    if (readdirSync(place).length === 0) rmdirSync(place);
    log.warn({ path: place }, 'no kernel offload: what an earlier process has left in the kernel is removed');
  } finally {
    closeSync(lock);
  }
}

/** The kernel keeps names with dots for itself. */
function placeOf(folder: string, id: string): string {
  return join(folder, encodeURIComponent(id).replaceAll('.', '%2E'));
}

/** Makes it, and has it for this process alone. @throws ProxyError */
function take(folder: string, place: string): number {
  try {
    checkSystem(folder, folder);
    mkdirSync(place, { mode: 0o700, recursive: true });
  } catch (error) {
    throw ProxyError.from(error);
  }
  const lock = openSync(place, 'r');
  const result = lockFile(lock);
  if (result === 0) return lock;
  closeSync(lock);
  if (result !== -EAGAIN) throw systemError(`locking ${place}`, -result);
  throw new ProxyError(
    'INTERNAL',
    `${place}: expected it for this process alone, found another proxy that has it (--id)`,
  );
}

/** Of the folder, or of the next above it that is there. */
function checkSystem(folder: string, asked: string): void {
  let type: number;
  try {
    ({ type } = statfsSync(folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error;
    checkSystem(dirname(folder), asked);
    return;
  }
  if (type === BPF_FS_MAGIC) return;
  const found = `${folder} of type 0x${type.toString(16)}`;
  throw new ProxyError('INTERNAL', `${asked}: expected a folder of a bpffs (mount -t bpf), found ${found}`);
}

function foreign(path: string, expected: string, name: string): ProxyError {
  return new ProxyError('INTERNAL', `${path}: expected ${expected} alone, found ${name}; remove it`);
}
