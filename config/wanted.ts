/** What checks of meaning share: what is absent is told of once, and lists are looked through as far as they are in order. */
import type { Plain } from '../common/address.ts';
import type { Decoder } from './decoder.ts';
import { isPlain } from './scalars.ts';

/** Something is wanted that is absent; where it is there, but wrong, that was told. */
export function missing(decoder: Decoder, path: string, expected: string, found = 'nothing'): void {
  if (!decoder.isWrong(path)) decoder.tell(path, expected, found);
}

/** At most one of these fields may be given. Gives how many are. */
export function exclusive(decoder: Decoder, plain: Plain, path: string, fields: readonly string[]): number {
  const given = fields.filter((field) => plain[field] !== undefined);
  if (given.length > 1) decoder.tell(path, `only one of ${fields.join(', ')}`, given.join(' and '));
  return given.length;
}

/** The objects of a list. */
export function listOf(value: unknown): Plain[] {
  return Array.isArray(value) ? value.filter(isPlain) : [];
}
