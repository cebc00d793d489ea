/** Faults of a configuration as people read them: with the file, and the line where it is known. */
import { type Fault, FaultsError, formatFault } from '../common/errors.ts';
import { nameOf } from '../common/text-file.ts';
import { FilesError } from './exit.ts';

/** `proxy.yaml:7: listeners[0].spec.port: expected …, found …`, with `kind` before the fault. */
export function inFile(file: string, { line, ...fault }: Fault, kind = ''): string {
  return `${nameOf(file)}:${line === undefined ? '' : `${line}:`} ${kind}${formatFault(fault)}`;
}

/** What is wrong with a file is told with its name. @throws FilesError in place of FaultsError */
export async function ofFile<T>(file: string, loaded: Promise<T>): Promise<T> {
  try {
    return await loaded;
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    throw new FilesError(error.faults.map((fault) => inFile(file, fault)));
  }
}
