/** A file that records are appended to: what was appended is on the disk, or the file is as it was. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StoreError } from '../../core/store.ts';
import { bodyLength, decodeRecord, type FileRecord, HEADER_BYTES } from './records.ts';

/** errno's for "no room". */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];
/** How much is written at once when a file is made. */
const CHUNK_BYTES = 1024 * 1024;
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

export class LogFile {
  /** Up to here it is good, and on the disk. */
  size: number;
  #path: string;
  readonly #handle: FileHandle;
  /** Its place in the directory may not be on the disk yet. */
  #moved = false;
  /** An append failed, and what it left could not be cut off yet. */
  #torn = false;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path;
    this.#handle = handle;
    this.size = size;
  }

  /** Opens one that `readLog` read: what comes after `size` is cut off. */
  static async open(path: string, size: number): Promise<LogFile> {
    const log = new LogFile(path, await open(path, 'r+'), size);
    try {
      await log.#cut();
    } catch (error) {
      await log.close();
      throw storeError(path, error);
    }
    return log;
  }

  /** Makes one that is not at its place before `moveTo`. It is removed again where that fails. */
  static async create(path: string, parts: Iterable<readonly Buffer[]>): Promise<LogFile> {
    await rm(path, { force: true });
    const log = new LogFile(path, await open(path, 'wx+', 0o600), 0);
    try {
      let chunk: Buffer[] = [];
      let bytes = 0;
      for (const buffers of parts) {
        for (const buffer of buffers) bytes += buffer.length;
        chunk.push(...buffers);
        if (bytes < CHUNK_BYTES) continue;
        await log.append(chunk);
        chunk = [];
        bytes = 0;
      }
      await log.append(chunk);
    } catch (error) {
      await log.discard();
      throw error;
    }
    return log;
  }

  /**
   * Resolves once it is on the disk.
   *
   * @throws StoreError `FULL` or, for other faults of the disk, `UNAVAILABLE`. The file is as it was, or the message says
   * that this is not known.
   */
  async append(buffers: readonly Buffer[]): Promise<void> {
    try {
      if (this.#torn) await this.#cut();
      if (this.#moved) await this.#syncDirectory();
      const bytes = Buffer.concat(buffers);
      await this.#write(bytes, this.size);
      await this.#handle.datasync();
      this.size += bytes.length;
    } catch (error) {
      this.#torn = true;
      const cut = await this.#cut().catch((failure: unknown) => failure as Error);
      throw storeError(this.#path, error, cut);
    }
  }

  /** Appends what another one has after a position. */
  async appendFrom(other: LogFile, position: number): Promise<void> {
    while (position < other.size) {
      const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, other.size - position));
      const { bytesRead } = await other.#handle.read(bytes, 0, bytes.length, position);
      if (bytesRead === 0) throw new StoreError('CORRUPT', `${other.#path} was made shorter by another program`);
      await this.append([bytes.subarray(0, bytesRead)]);
      position += bytesRead;
    }
  }

  /**
   * Puts it in the place of another, which is gone then. After a crash either the one or the other is there; nothing is
   * appended before it is sure that it is this one.
   */
  async moveTo(path: string): Promise<void> {
    try {
      await rename(this.#path, path);
    } catch (error) {
      throw storeError(path, error);
    }
    this.#path = path;
    this.#moved = true;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Closes and removes it, as far as that can be done. */
  async discard(): Promise<void> {
    await this.close().catch(() => undefined);
    await rm(this.#path, { force: true }).catch(() => undefined);
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  async #syncDirectory(): Promise<void> {
    const directory = await open(dirname(this.#path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    this.#moved = false;
  }

  async #cut(): Promise<void> {
    await this.#handle.truncate(this.size);
    await this.#handle.sync();
    this.#torn = false;
  }
}

function storeError(path: string, error: unknown, cut?: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (cut instanceof Error) {
    return new StoreError('UNAVAILABLE', `${path}: ${message}; whether it was written is not known`, error);
  }
  return NO_ROOM.includes(code)
    ? new StoreError(
        'FULL',
        `there is no room for ${path} (${code}): nothing was changed; make room on its disk`,
        error,
      )
    : new StoreError('UNAVAILABLE', `${path}: ${message}: nothing was changed`, error);
}

/**
 * Reads the records of a file, and returns up to where it is good. What a crash left of an append that nobody was told of
 * is not: a record that goes on beyond the end, or that is zeros from the start of a sector to the file's end.
 *
 * @throws StoreError `CORRUPT` where a record is damaged in another way.
 */
export function readLog(path: string, onRecord: (record: FileRecord) => void): number {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const reader = new Reader(fd, size);
    let position = 0;
    while (position + HEADER_BYTES <= size) {
      const start = position + HEADER_BYTES;
      const header = Buffer.from(reader.read(position, HEADER_BYTES));
      const length = bodyLength(header);
      if (length === undefined) {
        if (reader.isUnwritten(position, start)) break;
        throw corrupt(path, position, size);
      }
      if (start + length > size) break;
      const record = decodeRecord(header, reader.read(start, length));
      if (!record) {
        if (reader.isUnwritten(start, start + length)) break;
        throw corrupt(path, position, size);
      }
      onRecord(record);
      position = start + length;
    }
    return position;
  } finally {
    closeSync(fd);
  }
}

function corrupt(path: string, position: number, size: number): StoreError {
  return new StoreError(
    'CORRUPT',
    `${path} is damaged at byte ${position} of ${size}: restore a backup into a new directory, ` +
      `or give up what was written since: truncate --size=${position} '${path}'`,
  );
}

/** Reads a file from its start on, with few system calls. */
class Reader {
  readonly #fd: number;
  readonly #size: number;
  #window = Buffer.alloc(0);
  #start = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  /** What is returned is good until the next call. */
  read(position: number, length: number): Buffer {
    const offset = position - this.#start;
    if (offset < 0 || offset + length > this.#window.length) {
      const window = Buffer.alloc(Math.min(Math.max(length, CHUNK_BYTES), this.#size - position));
      for (let done = 0; done < window.length;) {
        const bytes = readSync(this.#fd, window, done, window.length - done, position + done);
        if (bytes === 0) throw new Error('the file was made shorter while it was read');
        done += bytes;
      }
      this.#window = window;
      this.#start = position;
      return window.subarray(0, length);
    }
    return this.#window.subarray(offset, offset + length);
  }

  /** Whether the last sector of a range, and all that follows, is zeros: the disk lost power before it wrote that. */
  isUnwritten(start: number, end: number): boolean {
    let position = Math.max(start, Math.floor((end - 1) / SECTOR_BYTES) * SECTOR_BYTES);
    while (position < this.#size) {
      const length = Math.min(CHUNK_BYTES, this.#size - position);
      if (this.read(position, length).some((byte) => byte !== 0)) return false;
      position += length;
    }
    return true;
  }
}
