/** Takes responses in: what is good is held, what is bad is named, one line a fault. */
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { type Fault, formatFault, ProxyError } from '../../common/errors.ts';
import { LISTS } from '../../config/kinds.ts';
import type { Inventory, Surroundings } from './inventory.ts';
import type { Content, Held, ReadResource, ResourceCodec, ResourceKind } from './types.ts';

/** A resource as it comes. */
export interface Sent {
  /** Absent where the message alone says it (state of the world). */
  readonly name?: string;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** What stands in a response: a resource, or bytes of which it isn't known what they are. */
export type Arrival = Sent | { readonly unreadable: Fault };

/** What goes: names, or everything that a response does not hold. */
export type Removed = { readonly names: readonly string[] } | { readonly others: true };

/** What was read of an arrival: a resource that is to be checked, or what is wrong. */
type Reading =
  | { readonly name: string; readonly sent: Sent; readonly check: ReadResource['check'] }
  | { readonly name: string | undefined; readonly faults: readonly Fault[] };

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
      const found = name !== undefined && seen.has(name) ? [fault('a name once in a response', 'it twice')] : [];
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
    if ('unreadable' in arrival) return { name: undefined, faults: [arrival.unreadable] };
    const { name: wanted, typeUrl, value } = arrival;
    const expected = this.codec.typeUrlOf(kind);
    if (typeUrl !== expected) return { name: wanted, faults: [fault(expected, JSON.stringify(typeUrl))] };
    try {
      const { name, check } = this.codec.read(kind, value);
      if (name === undefined || name === '') return { name: wanted, faults: [fault('a name', 'none')] };
      if (name === (wanted ?? name)) return { name, sent: arrival, check };
      const faults = [{ path: 'name', expected: JSON.stringify(wanted), found: JSON.stringify(name) }];
      return { name: wanted, faults };
    } catch (error) {
      return { name: wanted, faults: [unreadable(kind, error)] };
    }
  }

  private takeOne(kind: ResourceKind, reading: Reading, surroundings: Surroundings): readonly Fault[] {
    if ('faults' in reading) return reading.faults;
    const { name, check, sent } = reading;
    const { version, value } = sent;
    const old = this.inventory.of(kind).get(name);
    // A resource that is sent again, as after a reconnect, is not made anew.
    if (old?.version === version && old.value.equals(value)) return shadows(old.content, this.snapshot());
    if (old) surroundings.remove(old);
    const { content, faults } = checked(kind, () => check(surroundings.objects));
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

/** A check that fails by itself costs the resource, not the process: nobody above catches what is thrown. */
function checked(
  kind: ResourceKind,
  check: () => ReturnType<ReadResource['check']>,
): ReturnType<ReadResource['check']> {
  try {
    return check();
  } catch (error) {
    return { faults: [fault(`a ${kind} that can be checked`, ProxyError.from(error).message)] };
  }
}

/** That bytes are no message of a type, and why. */
export function unreadable(type: string, error: unknown): Fault {
  return fault(`a message of type ${type}`, ProxyError.from(error).message);
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
