/** The maps of the kernel's programs: flows in slots, found by their packets' ends, and what each has relayed. */
import { readFileSync } from 'node:fs';
import { close, systemError } from '../sockets/native/libc.ts';
import {
  ANY,
  ArrayReader,
  createMap,
  MAP_ARRAY,
  MAP_HASH,
  MAP_PERCPU_ARRAY,
  MapReader,
  MapWriter,
  NO_EXIST,
} from '../kernel/bpf.ts';
import type { Counted } from './counted.ts';
import { Indices } from './indices.ts';
import { COUNTERS, FLOW, KEY, PORTS_SIZE } from './layout.ts';
import type { PinFolder } from './pin-folder.ts';
import { Ports } from './ports.ts';

/** Slots read by one system call. */
const BATCH = 1024;

export class FlowTable {
  readonly capacity: number;
  /** Descriptors by the names that programs have for them. */
  readonly maps: Readonly<Record<'ports' | 'slots' | 'flows' | 'counters', number>>;
  private readonly ports: Ports;
  private readonly slots: MapWriter;
  private readonly flows: MapWriter;
  private readonly counters: MapWriter;
  private readonly reader: ArrayReader;
  private readonly cpus = possibleCpus();
  private readonly indices: Indices;
  private readonly zeros: Buffer;

  /** `capacity`: slots. `flowSize`: of what begins with a flow. `pins`: where its maps stay. @throws ProxyError */
  constructor(capacity: number, flowSize: number = FLOW.size, pins?: PinFolder) {
    this.capacity = capacity;
    this.indices = new Indices(capacity);
    const made: number[] = [];
    const make = (
      type: number,
      name: keyof FlowTable['maps'],
      keySize: number,
      valueSize: number,
      entries = capacity,
    ): number => {
      const options = { type, name: `l7mp_${name}`, keySize, valueSize, entries };
      const fd = pins ? pins.map(name, options) : createMap(options);
      made.push(fd);
      return fd;
    };
    try {
      this.maps = {
        ports: make(MAP_ARRAY, 'ports', 4, PORTS_SIZE, 1),
        slots: make(MAP_HASH, 'slots', KEY.size, 4),
        flows: make(MAP_ARRAY, 'flows', 4, flowSize),
        counters: make(MAP_PERCPU_ARRAY, 'counters', 4, COUNTERS.size),
      };
    } catch (error) {
      made.forEach(close);
      throw error;
    }
    this.zeros = Buffer.alloc(COUNTERS.size * this.cpus);
    this.ports = new Ports(this.maps.ports);
    this.slots = new MapWriter(this.maps.slots, KEY.size, 4);
    this.flows = new MapWriter(this.maps.flows, 4, flowSize);
    this.counters = new MapWriter(this.maps.counters, 4, this.zeros.length);
    this.reader = new ArrayReader(this.maps.counters, Math.min(BATCH, capacity), this.zeros.length);
  }

  /** What an earlier process has put in, by the hexadecimal key: asked for once, before anything is added. */
  takeOver(): Map<string, { readonly slot: number; readonly flow: Buffer }> {
    const slots = new MapReader(this.maps.slots, KEY.size, 4);
    const flows = new MapReader(this.maps.flows, 4, FLOW.size);
    const found = new Map<string, { readonly slot: number; readonly flow: Buffer }>();
    const keys = slots.keys();
    this.ports.reset(keys);
    for (const key of keys) {
      const slot = slots.get(key)?.readUInt32LE(0);
      const flow = slot === undefined ? undefined : flows.get(slot);
      if (slot !== undefined && flow) found.set(key.toString('hex'), { slot, flow });
    }
    this.indices.resume(new Set([...found.values()].map(({ slot }) => slot)));
    return found;
  }

  /** Puts a flow into a slot of its own, where no packet finds it yet; undefined where all are taken. @throws ProxyError */
  add(flow: Buffer): number | undefined {
    const slot = this.indices.take();
    if (slot === undefined) return undefined;
    for (const result of [this.counters.update(slot, this.zeros), this.flows.update(slot, flow)]) {
      if (result < 0) throw systemError('bpf map update', -result);
    }
    return slot;
  }

  /** Leads packets to a slot: 0, or a negative errno. `flags`: NO_EXIST, or ANY where they were led to another. */
  publish(flow: Buffer, slot: number, flags = NO_EXIST): number {
    const key = flow.subarray(0, KEY.size);
    if (flags === ANY) return this.slots.update(key, slot, flags);
    this.ports.add(key);
    const result = this.slots.update(key, slot, flags);
    if (result < 0) this.ports.remove(key);
    return result;
  }

  /** Changes what packets that find it may have changed. @throws ProxyError */
  rewrite(slot: number, flow: Buffer): void {
    const result = this.flows.update(slot, flow);
    if (result < 0) throw systemError('bpf map update', -result);
  }

  /** Packets pass up again. */
  withdraw(flow: Buffer): void {
    const key = flow.subarray(0, KEY.size);
    if (this.slots.delete(key) === 0) this.ports.remove(key);
  }

  /** What the slot has counted may be read until it is used anew. */
  retire(slot: number): void {
    this.indices.retire(slot);
  }

  /** @throws ProxyError */
  count(slot: number): Counted {
    return this.sum(this.reader.read(slot, 1), 0);
  }

  /** By slot, of all that were ever used. @throws ProxyError */
  countAll(): Counted[] {
    const all: Counted[] = [];
    for (let first = 0; first < this.indices.used; first += BATCH) {
      const values = this.reader.read(first, Math.min(BATCH, this.indices.used - first));
      for (let at = 0; at < values.length; at += this.zeros.length) all.push(this.sum(values, at));
    }
    return all;
  }

  close(): void {
    Object.values(this.maps).forEach(close);
  }

  private sum(values: Buffer, at: number): Counted {
    const total = { packets: 0, bytes: 0, lastSeen: 0 };
    for (let cpu = 0; cpu < this.cpus; cpu++, at += COUNTERS.size) {
      total.packets += readUInt64(values, at + COUNTERS.packets);
      total.bytes += readUInt64(values, at + COUNTERS.bytes);
      total.lastSeen = Math.max(total.lastSeen, readUInt64(values, at + COUNTERS.lastSeen));
    }
    return total;
  }
}

/** Exact to 2^53, which no counter reaches. */
function readUInt64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Arrays for each CPU have room for all that there may ever be: `0-7`. */
function possibleCpus(): number {
  const [last = '0'] = /\d+$/u.exec(readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()) ?? [];
  return Number(last) + 1;
}
