/** The maps of spliced connections: a flow for each way, and what is recorded of both ends. */
import { close, systemError } from '../sockets/native/libc.ts';
import { ArrayReader, createMap, MAP_ARRAY, MapWriter } from './bpf.ts';
import { FlowTable } from './flow-table.ts';
import { Indices } from './indices.ts';
import { decodePair, encodePair, type Half, PAIR_SIZE, STREAM } from './layout.ts';

/** Slots are two for each pair, and some for those that change. */
const SLOTS_PER_PAIR = 2.5;

export class StreamTable {
  readonly flows: FlowTable;
  /** Descriptors by the names that programs have for them. */
  readonly maps: Readonly<Record<'slots' | 'flows' | 'counters' | 'pairs', number>>;
  private readonly pairs: MapWriter;
  private readonly reader: ArrayReader;
  private readonly indices: Indices;

  /** `capacity`: pairs. @throws ProxyError */
  constructor(capacity: number) {
    this.flows = new FlowTable(Math.ceil(capacity * SLOTS_PER_PAIR), STREAM.size);
    try {
      const options = { type: MAP_ARRAY, name: 'l7mp_pairs', keySize: 4, valueSize: PAIR_SIZE, entries: capacity };
      this.maps = { ...this.flows.maps, pairs: createMap(options) };
    } catch (error) {
      this.flows.close();
      throw error;
    }
    this.pairs = new MapWriter(this.maps.pairs, 4, PAIR_SIZE);
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

  close(): void {
    close(this.maps.pairs);
    this.flows.close();
  }
}
