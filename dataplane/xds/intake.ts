/** Takes responses in: what is good is held, what is bad is named, one line a fault. */
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { type Fault, formatFault, ProxyError } from '../../common/errors.ts';
import { LISTS } from '../../config/kinds.ts';
import type { Inventory, Surroundings } from './inventory.ts';
import type { Content, Held, ReadResource, ResourceCodec, ResourceKind } from './types.ts';

/** A resource as it comes. */
export interface Arrival {
  /** Absent where the message alone says it (state of the world). */
  readonly name?: string;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** What goes: names, or everything that a response does not hold. */
export type Removed = { readonly names: readonly string[] } | { readonly others: true };

/** What was read of an arrival. */
interface Reading {
  readonly arrival: Arrival;
  readonly name: string | undefined;
  readonly check?: ReadResource['check'];
  readonly faults: readonly Fault[];
}

export class Intake {
  private readonly inventory: Inventory;
  private readonly codec: ResourceCodec;
  private readonly snapshot: () => ConfigSnapshot;

  constructor(inventory: Inventory, codec: ResourceCodec, snapshot: () => ConfigSnapshot) {
    this.inventory = inventory;
    this.codec = codec;
    this.snapshot = snapshot;
  }

  /** Gives what is wrong, as in `NAME: path: expected …, found …`. */
  take(kind: ResourceKind, arrivals: readonly Arrival[], removed: Removed): string[] {
    const { inventory } = this;
    const readings = arrivals.map((arrival) => this.read(kind, arrival));
    const names = new Set(readings.map(({ name }) => name));
    if ('names' in removed) {
      for (const name of removed.names) inventory.delete(kind, name);
    } else if (!names.has(undefined)) {
      // Where one can't be read, it isn't known what is gone.
      for (const name of [...inventory.of(kind).keys()]) if (!names.has(name)) inventory.delete(kind, name);
    }
    const faults: string[] = [];
    const seen = new Set<string | undefined>();
    let surroundings: Surroundings | undefined;
    for (const reading of readings) {
      const { name } = reading;
      surroundings ??= inventory.surroundings(this.snapshot());
      const found = seen.has(name) ? [fault('a name once in a response', 'it twice')] : [];
      seen.add(name);
      found.push(...this.takeOne(kind, reading, surroundings));
      for (const each of found) faults.push(`${name ?? ''}: ${formatFault(each)}`);
    }
    return faults;
  }

  /** Whether a resource is kept out, since the proxy's own configuration has an object of its name. */
  isShadowed({ content }: Held): boolean {
    return shadows(content, this.snapshot()).length > 0;
  }

  private read(kind: ResourceKind, arrival: Arrival): Reading {
    const { name: wanted, typeUrl, value } = arrival;
    const expected = this.codec.typeUrlOf(kind);
    if (typeUrl !== expected) return { arrival, name: wanted, faults: [fault(expected, JSON.stringify(typeUrl))] };
    try {
      const { name, check } = this.codec.read(kind, value);
      if (name === undefined || name === '') return { arrival, name: wanted, faults: [fault('a name', 'none')] };
      if (name === (wanted ?? name)) return { arrival, name, check, faults: [] };
      const faults = [{ path: 'name', expected: JSON.stringify(wanted), found: JSON.stringify(name) }];
      return { arrival, name: wanted, faults };
    } catch (error) {
      const found = ProxyError.from(error).message;
      return { arrival, name: wanted, faults: [fault(`a message of type ${kind}`, found)] };
    }
  }

  private takeOne(kind: ResourceKind, reading: Reading, surroundings: Surroundings): readonly Fault[] {
    const { name, check, arrival } = reading;
    if (name === undefined || check === undefined) return reading.faults;
    const { version, value } = arrival;
    const old = this.inventory.of(kind).get(name);
    // A resource that is sent again, as after a reconnect, is not made anew.
    if (old?.version === version && old.value.equals(value)) return shadows(old.content, this.snapshot());
    if (old) surroundings.remove(old);
    const { content, faults } = check(surroundings.objects);
    if (content === undefined) {
      if (old) surroundings.add(old);
      return faults;
    }
    const held: Held = { kind, name, version, value, content };
    this.inventory.put(held);
    surroundings.add(held);
    // Held even so: it counts as soon as the proxy has none of its own any more.
    return shadows(content, this.snapshot());
  }
}

function shadows(content: Content, snapshot: ConfigSnapshot): Fault[] {
  if (!('objects' in content)) return [];
  return LISTS.flatMap((list) =>
    [...content.objects[list].keys()]
      .filter((name) => snapshot[list].get(name)?.source === 'local')
      .map((name) => ({
        path: `${list}.${name}`,
        expected: "a name that the proxy's own configuration does not have",
        found: `"${name}", which comes first`,
      })),
  );
}

function fault(expected: string, found: string): Fault {
  return { path: '', expected, found };
}
