/** Which listener takes what is for a destination, before those that take all: the last one that has come. */
import type { CaptureListener } from '../core/capture.ts';
import type { MapWriter } from '../kernel/bpf.ts';
import { systemError } from '../sockets/native/libc.ts';
import { DOOR_SIZE, encodePlace, laneOf } from './layout.ts';

export class Doors {
  private readonly map: MapWriter;
  /** By `struct place`. */
  private readonly takers = new Map<string, CaptureListener[]>();

  /** `map`: from a `struct place` to a port. */
  constructor(map: MapWriter) {
    this.map = map;
  }

  /** @throws ProxyError where there is no room; it has none of its destinations then */
  open(listener: CaptureListener): void {
    try {
      for (const place of placesOf(listener)) this.put(place, [...(this.takers.get(place.key) ?? []), listener]);
    } catch (error) {
      this.close(listener);
      throw error;
    }
  }

  close(listener: CaptureListener): void {
    for (const place of placesOf(listener)) {
      const takers = this.takers.get(place.key) ?? [];
      const left = takers.filter((each) => each !== listener);
      if (left.length < takers.length) this.put(place, left);
    }
  }

  private put({ key, bytes }: Place, takers: CaptureListener[]): void {
    const last = takers.at(-1);
    if (last === undefined) {
      this.map.delete(bytes);
      this.takers.delete(key);
      return;
    }
    const port = Buffer.alloc(DOOR_SIZE);
    port.writeUInt16BE(last.port);
    const result = this.map.update(bytes, port);
    if (result < 0) throw systemError('bpf map update', -result);
    this.takers.set(key, takers);
  }
}

interface Place {
  readonly key: string;
  readonly bytes: Buffer;
}

function placesOf({ direction, transport, destinations }: CaptureListener): Place[] {
  return destinations.map((destination) => {
    const bytes = encodePlace(laneOf(direction, transport), destination);
    return { key: bytes.toString('latin1'), bytes };
  });
}
