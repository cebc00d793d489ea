/** Which listener takes what is for a place: those that name it before those that take all, and of several the last that has come. */
import { isIPv4 } from 'node:net';
import type { CaptureListener } from '../core/capture.ts';
import type { MapWriter } from '../kernel/bpf.ts';
import { systemError } from '../sockets/native/libc.ts';
import { DOOR_SIZE, encodePlace, laneOf } from './layout.ts';

interface Door {
  readonly place: Buffer;
  /** Where what is for the place is led; 0: it goes where it says. */
  readonly port: number;
  readonly listener: CaptureListener;
}

export class Doors {
  private readonly map: MapWriter;
  private readonly byPlace = new Map<string, readonly Door[]>();

  /** `map`: from a `struct place` to a port. */
  constructor(map: MapWriter) {
    this.map = map;
  }

  /** @throws ProxyError where there is no room; the listener has nothing then */
  open(listener: CaptureListener): void {
    try {
      for (const door of doorsOf(listener)) this.put(door.place, [...this.at(door.place), door]);
    } catch (error) {
      this.close(listener);
      throw error;
    }
  }

  close(listener: CaptureListener): void {
    for (const { place } of doorsOf(listener)) {
      const doors = this.at(place);
      const left = doors.filter((door) => door.listener !== listener);
      if (left.length < doors.length) this.put(place, left);
    }
  }

  private at(place: Buffer): readonly Door[] {
    return this.byPlace.get(keyOf(place)) ?? [];
  }

  private put(place: Buffer, doors: readonly Door[]): void {
    const last = doors.at(-1);
    if (last === undefined) {
      this.map.delete(place);
      this.byPlace.delete(keyOf(place));
      return;
    }
    const port = Buffer.alloc(DOOR_SIZE);
    port.writeUInt16BE(last.port);
    const result = this.map.update(place, port);
    if (result < 0) throw systemError('bpf map update', -result);
    this.byPlace.set(keyOf(place), doors);
  }
}

function keyOf(place: Buffer): string {
  return place.toString('latin1');
}

/** What a listener takes, and its own port, whose clients are nobody's business but its own. */
function doorsOf(listener: CaptureListener): Door[] {
  const { direction, transport, address, port, destinations } = listener;
  // A listener of IPv6 takes both.
  const all = isIPv4(address) ? ['0.0.0.0'] : ['0.0.0.0', '::'];
  const taken = destinations.length > 0 ? destinations : all.map((each) => ({ address: each, port: 0 }));
  return [
    ...taken.map((place) => ({ listener, place: encodePlace(laneOf(direction, transport), place), port })),
    ...all.map((each) => ({
      listener,
      place: encodePlace(laneOf('inbound', transport), { address: each, port }),
      port: 0,
    })),
  ];
}
