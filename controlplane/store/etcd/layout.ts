/**
 * Where things are in etcd:
 *
 *     ROOT/store/generation      which of the generations is the one that is read; absent: `0`
 *     ROOT/store/restore         who is making another
 *     ROOT/store/data/GEN/KEY    the entries of a generation
 *     ROOT/lead/NAME             who leads
 *
 * Every reading and writing has the condition that the generation is still the same. So all entries are replaced at one
 * instant, however many they are: another generation is made beside, and then read in place of the old one.
 */
import type { KeyValue } from '../../../gen/etcd.ts';

export interface Generation {
  readonly id: string;
  /** The revision since which it is read; 0: from the beginning. */
  readonly modRevision: number;
}

export const FIRST_GENERATION: Generation = { id: '0', modRevision: 0 };

export class Layout {
  /** All but the leaders. */
  readonly store: Buffer;
  readonly generation: Buffer;
  readonly restore: Buffer;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    this.store = Buffer.from(`${root}/store/`);
    this.generation = Buffer.from(`${root}/store/generation`);
    this.restore = Buffer.from(`${root}/store/restore`);
  }

  /** An entry's key, or the start of those of a prefix. */
  data({ id }: Pick<Generation, 'id'>, key: string): Buffer {
    return Buffer.from(`${this.#root}/store/data/${id}/${key}`);
  }

  /** The start of the entries of all generations. */
  get allData(): Buffer {
    return Buffer.from(`${this.#root}/store/data/`);
  }

  lead(name: string): Buffer {
    return Buffer.from(`${this.#root}/lead/${name}`);
  }
}

/** The end of the range of all keys that start so. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  // Prefixes here end in UTF-8, which has no 0xff.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

export function generationOf(pointer: KeyValue | undefined): Generation {
  return pointer ? { id: pointer.value.toString(), modRevision: pointer.mod_revision } : FIRST_GENERATION;
}

/** The condition that a key's last change is this revision; 0: it does not exist. */
export function isAt(key: Buffer, modRevision: number): object {
  return { target: 'MOD', key, mod_revision: modRevision };
}
