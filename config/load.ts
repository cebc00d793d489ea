/** A configuration's text to a snapshot. */
import type { ConfigSnapshot } from './snapshot.ts';
import { FaultsError } from '../common/errors.ts';
import { type DecodeOptions, decodeConfig } from './decode.ts';
import { parseText } from './parse.ts';

/** @throws FaultsError with every fault and its line. */
export async function loadText(text: string, options: DecodeOptions = {}): Promise<ConfigSnapshot> {
  const parsed = await parseText(text);
  const { value, faults } = decodeConfig(parsed.raw, options);
  if (value === undefined) throw new FaultsError(await parsed.locate(faults));
  return value;
}
