/**
 * A proxy's folder on a bpffs: what is pinned there stays in the kernel when the process is gone.
 *
 * ```
 *   FOLDER/                          admin.offload_pin
 *     ID/                            a proxy's own, locked while it runs
 *       v0123456789ab/               what only programs of the same layouts can go on with
 *         ports slots flows counters notes
 *         link-3                     the program at the interface 3
 * ```
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { close, EAGAIN, lockFile, systemError } from '../sockets/native/libc.ts';
import { createMap, isMap, type MapOptions, openPinned, pinObject } from '../kernel/bpf.ts';

/** linux/magic.h */
const BPF_FS_MAGIC = 0xcafe4a11;
const MAPS = ['ports', 'slots', 'flows', 'counters', 'notes'] as const;
const LINK = /^link-(\d+)(?:-new)?$/u;
const VERSION = /^v[\da-f]{12}$/u;

/** How long another process may have the folder, as restarts overlap, and between two looks, in ms. */
const PATIENCE = 5000;
const PAUSE = 50;

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

  /** `lock`: on the place, and the folder's from now on. `version`: of what is kept; the rest is thrown away. @throws ProxyError */
  constructor(place: string, lock: number, version: string, log: Logger) {
    this.place = place;
    this.path = join(place, version);
    this.lock = lock;
    try {
      for (const name of readdirSync(place)) {
        if (!VERSION.test(name)) throw foreign(place, 'folders of versions', name);
        if (name === version) continue;
        log.warn(
          { path: join(place, name), expected: version },
          'what another version has left in the kernel can not be taken over: its sessions begin anew',
        );
        rmSync(join(place, name), { recursive: true });
      }
      mkdirSync(this.path, { mode: 0o700, recursive: true });
      const names = readdirSync(this.path);
      const other = names.find((name) => !isOurs(name));
      if (other !== undefined) throw foreign(this.path, `${MAPS.join(', ')} and link-N`, other);
      // Whoever made it did not come to its end, or somebody has helped himself: there is no whole to go on with.
      if (!MAPS.every((name) => names.includes(name))) clear(this.path);
    } catch (error) {
      letGo(place);
      closeSync(lock);
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
    for (const end of ['', '-new']) rmSync(join(this.path, `link-${ifindex}${end}`), { force: true });
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
}

/** A proxy's folder, made where it isn't there. @throws ProxyError */
export async function openPinFolder({ folder, id, log }: PinOptions, version: string): Promise<PinFolder> {
  const place = placeOf(folder, id);
  return new PinFolder(place, await take(folder, place), version, log);
}

/** Has the kernel let go of all that a proxy of this name has left. @throws ProxyError */
export async function unpin({ folder, id, log }: PinOptions): Promise<void> {
  const place = placeOf(folder, id);
  if (!isThere(place)) return; // nothing was ever pinned
  const lock = await take(folder, place);
  try {
    const versions = readdirSync(place).filter((name) => VERSION.test(name));
    for (const name of versions) rmSync(join(place, name), { recursive: true });
    if (readdirSync(place).length === 0) rmdirSync(place);
    if (versions.length > 0)
      log.warn({ path: place }, 'no kernel offload: what an earlier process has left in the kernel is removed');
  } catch (error) {
    throw ProxyError.from(error);
  } finally {
    closeSync(lock);
  }
}

/** @throws ProxyError where that can't be known */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw ProxyError.from(error);
  }
}

function isOurs(name: string): boolean {
  return LINK.test(name) || MAPS.some((each) => each === name);
}

function clear(path: string): void {
  for (const name of readdirSync(path).filter(isOurs)) unlinkSync(join(path, name));
}

/** Nobody will go on with what is there: packets pass up again. What is not ours stays, as does what can't be removed. */
function letGo(place: string): void {
  try {
    for (const name of readdirSync(place)) if (VERSION.test(name)) clear(join(place, name));
  } catch {
    return; // the failure that led here is told
  }
}

/** The kernel keeps names with dots for itself. */
function placeOf(folder: string, id: string): string {
  return join(folder, encodeURIComponent(id).replaceAll('.', '%2E'));
}

/** Makes it, and has it for this process alone: one that is about to end may have it for a while. @throws ProxyError */
async function take(folder: string, place: string): Promise<number> {
  for (const giveUpAt = performance.now() + PATIENCE; ; await setTimeout(PAUSE)) {
    const lock = tryTake(folder, place);
    if (lock !== undefined) return lock;
    if (performance.now() >= giveUpAt) break;
  }
  throw new ProxyError(
    'INTERNAL',
    `${place}: expected it for this process alone, found another proxy that has it (--id)`,
  );
}

/** Undefined: somebody else has it. */
function tryTake(folder: string, place: string): number | undefined {
  try {
    checkSystem(folder, folder);
    mkdirSync(place, { mode: 0o700, recursive: true });
    const lock = openSync(place, 'r');
    const result = lockFile(lock);
    // Who had it may have removed it meanwhile.
    if (result === 0 && fstatSync(lock).nlink > 0) return lock;
    closeSync(lock);
    if (result === 0 || result === -EAGAIN) return undefined;
    throw systemError(`locking ${place}`, -result);
  } catch (error) {
    throw ProxyError.from(error);
  }
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
