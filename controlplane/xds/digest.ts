/**
 * A digest of entries in any order. The clients of a fleet have the same and say so in another order each (maps have none): by
 * its digest the answer to one is found for the next, and no string is made of the bytes.
 *
 * Each entry is hashed by HalfSipHash-1-3 with 64 bits (Aumasson, Bernstein, "SipHash: a fast short-input PRF"), and the
 * hashes are added. The key is of this process and secret: a client can't make entries up that pass for those of others.
 */
import { randomBytes } from 'node:crypto';
import type { Entries } from './requests.ts';

const KEY = randomBytes(8);
const KEY_0 = KEY.readInt32LE(0);
const KEY_1 = KEY.readInt32LE(4);
const FINAL_ROUNDS = 3;

/** The digest of some entries: equal for the same ones, each as often, in any order. */
export function digestOf({ bytes, bounds }: Entries): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = 0;
  let high = 0;
  for (let index = 0; index < bounds.length; index += 2) {
    const start = bounds[index] ?? 0;
    const end = bounds[index + 1] ?? start;
    // Bytes that are left after the whole words are the last word, with the length.
    const words = (end - start) >>> 2;
    let last = (end - start) << 24;
    for (let at = start + words * 4, shift = 0; at < end; at++, shift += 8) last |= view.getUint8(at) << shift;
    let v0 = KEY_0;
    let v1 = KEY_1 ^ 0xee;
    let v2 = KEY_0 ^ 0x6c796765;
    let v3 = KEY_1 ^ 0x74656462;
    const rounds = words + 1 + 2 * FINAL_ROUNDS;
    for (let round = 0; round < rounds; round++) {
      let word = 0;
      if (round < words) word = view.getInt32(start + round * 4, true);
      else if (round === words) word = last;
      else if (round === words + 1) v2 ^= 0xee;
      else if (round === words + 1 + FINAL_ROUNDS) {
        low = (low + (v1 ^ v3)) | 0;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    high = (high + (v1 ^ v3)) | 0;
  }
  return `${bounds.length / 2} ${low} ${high}`;
}
