/** The maps of spliced connections: a flow for each way, and what is recorded of both ends. */
import { close, systemError } from '../sockets/native/libc.ts';
import { ArrayReader, createMap, MAP_ARRAY, MapWriter } from '../kernel/bpf.ts';
import { FlowTable } from './flow-table.ts';
import { Indices } from './indices.ts';
import { decodePair, encodePair, type Half, PAIR_SIZE, STREAM } from './layout.ts';

/** Slots are two for each pair, and some for those that change. */
const SLOTS_PER_PAIR = 2.5;

export class StreamTable {
  readonly flows: FlowTable;
  /** Descriptors by the names that programs have for them. */
  readonly maps: Readonly<Record<'slots' | 'flows' | 'counters' | 'pairs' | 'narrows', number>>;
  private readonly pairs: MapWriter;
  private readonly reader: ArrayReader;
  private readonly indices: Indices;
  private readonly narrows: MapWriter;
  private narrow = 0;

  /** `capacity`: pairs. @throws ProxyError */
  constructor(capacity: number) {
    this.flows = new FlowTable(Math.ceil(capacity * SLOTS_PER_PAIR), STREAM.size);
    const made: number[] = [];
    const array = (name: string, valueSize: number, entries: number): number => {
      const map = createMap({ type: MAP_ARRAY, name, keySize: 4, valueSize, entries });
      made.push(map);
      return map;
    };
    try {
      const pairs = array('l7mp_pairs', PAIR_SIZE, capacity);
      this.maps = { ...this.flows.maps, pairs, narrows: array('l7mp_narrows', 4, 1) };
    } catch (error) {
      made.forEach(close);
      this.flows.close();
      throw error;
    }
    this.pairs = new MapWriter(this.maps.pairs, 4, PAIR_SIZE);
    this.narrows = new MapWriter(this.maps.narrows, 4, 4);
    this.reader = new ArrayReader(this.maps.pairs, 1, PAIR_SIZE);
    this.indices = new Indices(capacity);
  }

  /** A new pair; undefined where all are taken. @throws ProxyError */
  addPair(halves: readonly [Half, Half]): number | undefined {
    const index = this.indices.take();
    if (index !== undefined) this.writePair(index, halves);
    return index;
  }

  /** @throws ProxyError */
  writePair(index: number, halves: readonly [Half, Half]): void {
    const result = this.pairs.update(index, encodePair(halves));
    if (result < 0) throw systemError('bpf map update', -result);
  }

  /** @throws ProxyError */
  readPair(index: number): [Half, Half] {
    return decodePair(this.reader.read(index, 1));
  }

  retirePair(index: number): void {
    this.indices.retire(index);
  }

  /** Ways whose state is `narrow` or `widen`, more or fewer. @throws ProxyError */
  countNarrow(change: number): void {
    if (change === 0) return;
    this.narrow += change;
    const result = this.narrows.update(0, this.narrow);
    if (result < 0) throw systemError('bpf map update', -result);
  }

  close(): void {
    close(this.maps.narrows);
    close(this.maps.pairs);
    this.flows.close();
  }
}
