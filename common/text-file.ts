/** Text files that a command is given by name; `-` is standard input. */
import { readFile, stat } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { ProxyError } from './errors.ts';

const STDIN = '-';

/** As people call it. */
export function nameOf(file: string): string {
  return file === STDIN ? 'standard input' : file;
}

/** @throws ProxyError where it can't be read. */
export async function readText(file: string): Promise<string> {
  try {
    return await (file === STDIN ? readAll(process.stdin) : readFile(file, 'utf8'));
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `${nameOf(file)}: expected a file that can be read, found ${message}`, error);
  }
}

/** Whether what it has is gone once it was read: standard input, and pipes, as `<(command)` is one. */
export async function isReadOnce(file: string): Promise<boolean> {
  if (file === STDIN) return true;
  const stats = await stat(file).catch(() => undefined); // whoever reads it says why
  return stats?.isFIFO() === true;
}
