/** Files of objects for the control plane, and where in them things stand. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ObjectContent } from '../../controlplane/model/object.ts';
import { contentFaults } from '../../controlplane/model/decode-content.ts';
import { readObjects } from '../../controlplane/sources/object-file.ts';
import { readRawItems } from '../../controlplane/sources/raw-items.ts';
import { parseText } from '../../config/parse.ts';
import { FaultsError } from '../../common/errors.ts';
import { nameOf, readText } from '../../common/text-file.ts';
import type { Fault } from '../../gen/messages.ts';
import { FilesError, UsageError } from '../exit.ts';
import { formatKey } from './kinds.ts';

/** An object with the place where it stands. */
export interface FileObject {
  readonly content: ObjectContent;
  readonly file: string;
  /** Its faults, whose paths begin in it, with where they stand: `FILE:LINE: listeners[0].spec.port: expected …`. */
  readonly formatFaults: (faults: readonly Fault[]) => Promise<readonly string[]>;
}

interface Read {
  readonly objects: readonly { readonly content: ObjectContent; readonly path: string }[];
  readonly locate: (faults: readonly Fault[]) => Promise<readonly (Fault & { readonly line?: number })[]>;
}

/** Reads files, directories, and `-`, standard input. @throws FilesError with everything that is wrong */
export async function readManifests(files: readonly string[]): Promise<FileObject[]> {
  return readAllFiles((await Promise.all(files.map(expand))).flat(), async (file, text) => {
    const read = await readObjects(text);
    for (const field of read.ignored)
      console.error(`${nameOf(file)}: warning: ${field} is left out: it is each proxy's own`);
    return read;
  });
}

/** Reads raw resources: JSON lists of `{type_url, name, value}`, the bytes in base64. @throws FilesError */
export async function readRaw(files: readonly string[]): Promise<FileObject[]> {
  return readAllFiles(files, async (_file, text) => {
    const parsed = await parseText(text);
    const faults: Fault[] = [];
    const objects = readRawItems(parsed.raw, '', faults);
    if (faults.length > 0) throw new FaultsError(await parsed.locate(faults));
    return { objects, locate: (found) => parsed.locate(found) };
  });
}

async function readAllFiles(
  files: readonly string[],
  read: (file: string, text: string) => Promise<Read>,
): Promise<FileObject[]> {
  const objects: FileObject[] = [];
  const wrong: string[] = [];
  for (const file of files) {
    try {
      const found = await read(file, await readText(file));
      for (const { content, path } of found.objects) {
        const formatFaults = async (faults: readonly Fault[]): Promise<string[]> => {
          const paths = faults.map((fault) => ({ ...fault, path: fault.path === '' ? path : `${path}.${fault.path}` }));
          return (await found.locate(paths)).map((fault) => formatAt(file, fault));
        };
        objects.push({ content, file, formatFaults });
      }
    } catch (error) {
      if (!(error instanceof FaultsError)) throw error;
      wrong.push(...error.faults.map((fault) => formatAt(file, fault)));
    }
  }
  const seen = new Map<string, FileObject>();
  for (const each of objects) {
    const id = formatKey(each.content.key);
    const other = seen.get(id);
    seen.set(id, each);
    if (other === undefined) continue;
    const found = `${id} again, which ${nameOf(other.file)} has`;
    wrong.push(...(await each.formatFaults([{ path: 'name', expected: 'each object once', found }])));
  }
  if (wrong.length === 0) return objects;
  // Nothing is sent, so that nobody else says what is wrong with the others.
  for (const { content, formatFaults } of objects) wrong.push(...(await formatFaults(contentFaults(content))));
  throw new FilesError(wrong);
}

/** The files of a directory in the order of their names. */
async function expand(file: string): Promise<string[]> {
  if (file === '-') return [file];
  const found = await stat(file).catch(() => undefined); // whoever reads it says why
  if (!found?.isDirectory()) return [file];
  const names = (await readdir(file)).filter((name) => /^[^.].*\.(ya?ml|json)$/u.test(name)).sort();
  if (names.length === 0) throw new UsageError(`expected *.yaml, *.yml or *.json in ${file}, found none`);
  return names.map((name) => join(file, name));
}

function formatAt(file: string, { path, expected, found, line }: Fault & { readonly line?: number }): string {
  return `${nameOf(file)}:${line ?? 1}: ${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`;
}
