/** A configuration's text, or its file, to a snapshot. */
import { readFile } from 'node:fs/promises';
import type { ConfigSnapshot } from './snapshot.ts';
import { FaultsError, ProxyError } from '../common/errors.ts';
import { type DecodeOptions, decodeConfig } from './decode.ts';
import { parseText } from './parse.ts';

/** @throws FaultsError with every fault and its line. */
export async function loadText(text: string, options: DecodeOptions = {}): Promise<ConfigSnapshot> {
  const parsed = await parseText(text);
  const { value, faults } = decodeConfig(parsed.raw, options);
  if (value === undefined) throw new FaultsError(await parsed.locate(faults));
  return value;
}

/** @throws ProxyError where the file can't be read. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `expected a configuration file at ${path}: ${message}`, error);
  }
}
