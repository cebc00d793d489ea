/** `l7mp backup` and `l7mp restore`: all that the control plane's store holds, in a file. */
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { BackupResponse, RestoreResponse } from '../../gen/messages.ts';
import { ProxyError } from '../../common/errors.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';

export async function backup(file: string, options: ServerOptions): Promise<void> {
  await withControlPlane(options, async (controlPlane) => {
    if (file !== '-') {
      const bytes = await toFile(controlPlane, file);
      if (options.json) console.log(JSON.stringify({ file, bytes }));
      else console.error(`${file}: ${bytes} bytes`);
      return;
    }
    for await (const { data } of controlPlane.stream<BackupResponse>('Backup', {})) {
      if (!process.stdout.write(data)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
  });
}

/** A backup is there as a whole or not at all; it has keys in it, which are nobody else's to read. */
async function toFile(controlPlane: ControlPlane, file: string): Promise<number> {
  const part = `${file}.part`;
  const onDisk = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      const { code, message } = ProxyError.from(error);
      throw new ProxyError(code, `${file}: expected a file that can be written, found ${message}`, error);
    });
  let bytes = 0;
  try {
    const handle = await onDisk(open(part, 'w', 0o600));
    try {
      for await (const { data } of controlPlane.stream<BackupResponse>('Backup', {})) {
        await onDisk(handle.writeFile(data));
        bytes += data.length;
      }
      await onDisk(handle.sync());
    } finally {
      await handle.close();
    }
    await onDisk(rename(part, file));
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return bytes;
}

export async function restore(file: string, options: ServerOptions): Promise<void> {
  const source = file === '-' ? process.stdin : createReadStream(file);
  await withControlPlane(options, async (controlPlane) => {
    const { objects, revision } = await controlPlane.upload<RestoreResponse>('Restore', pieces(source));
    if (options.json) console.log(JSON.stringify({ objects, revision }));
    else console.error(`${objects} objects were restored`);
  });
}

async function* pieces(source: AsyncIterable<unknown>): AsyncGenerator<object> {
  try {
    for await (const data of source) yield { data };
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `expected a backup that can be read: ${message}`, error);
  }
}
