/** What is kept of pairs for the next process: a map beside the flows, pinned with them. */
import { isIP } from 'node:net';
import { ProxyError } from '../../common/errors.ts';
import type { Flow, FlowTraffic, SessionNote } from '../core/offload.ts';
import { close, EEXIST, systemError } from '../sockets/native/libc.ts';
import { ANY, MAP_HASH, MapReader, MapWriter, NO_EXIST, NO_PREALLOC } from '../kernel/bpf.ts';
import { KEY, keyOf, NOTE } from './layout.ts';
import type { PinFolder } from './pin-folder.ts';

export interface PairNote {
  readonly client: Flow;
  readonly upstream: Flow;
  readonly session: SessionNote;
  /** What slots have counted that the flows don't have any more, in each direction. */
  readonly before: readonly [FlowTraffic, FlowTraffic];
}

type Address = readonly [address: string, port: number];
type Sides = readonly [Address, Address, Address, Address];

export class NoteTable {
  private readonly map: number;
  private readonly writer: MapWriter;

  /** @throws ProxyError */
  constructor(capacity: number, pins: PinFolder) {
    this.map = pins.map('notes', {
      type: MAP_HASH,
      name: 'l7mp_notes',
      keySize: KEY.size,
      valueSize: NOTE.size,
      entries: capacity,
      flags: NO_PREALLOC,
    });
    this.writer = new MapWriter(this.map, KEY.size, NOTE.size);
  }

  /** False: there is one of this client already. @throws ProxyError */
  add(note: PairNote): boolean {
    const result = this.write(note, NO_EXIST);
    if (result < 0 && result !== -EEXIST) throw systemError('bpf map l7mp_notes', -result);
    return result === 0;
  }

  /** In place of the one before. @throws ProxyError */
  put(note: PairNote): void {
    const result = this.write(note, ANY);
    if (result < 0) throw systemError('bpf map l7mp_notes', -result);
  }

  private write({ client, upstream, session, before }: PairNote, flags: number): number {
    const sides = [client.local, client.remote, upstream.local, upstream.remote].map((at) => [at.address, at.port]);
    const text = Buffer.from(JSON.stringify({ sides, session, before }));
    if (text.length > NOTE.size) {
      const found = `${text.length}, as names are long`;
      throw new ProxyError(
        'TOO_LARGE',
        `expected a note of at most ${NOTE.size} bytes for the next process, found ${found}`,
      );
    }
    const value = Buffer.concat([text, Buffer.alloc(NOTE.size - text.length)]);
    return this.writer.update(keyOf(client), value, flags);
  }

  delete(client: Flow): void {
    this.writer.delete(keyOf(client));
  }

  /** Those that can't be read are thrown away. */
  all(): PairNote[] {
    const reader = new MapReader(this.map, KEY.size, NOTE.size);
    return reader.keys().flatMap((key) => {
      try {
        const note = decodeNote(reader.get(key)?.toString('utf8') ?? '');
        if (keyOf(note.client).equals(key)) return note;
      } catch {
        // Thrown away, too.
      }
      this.writer.delete(key);
      return [];
    });
  }

  close(): void {
    close(this.map);
  }
}

/** @throws Error where it is not what `write` has made */
export function decodeNote(text: string): PairNote {
  const found = JSON.parse(text.replace(/\0+$/u, '')) as unknown;
  if (!isWritten(found)) throw new ProxyError('INTERNAL', 'expected a note of a pair, found something else');
  const { sides, session, before } = found;
  const flow = (local: Address, remote: Address): Flow => ({
    transport: 'udp',
    local: { address: local[0], port: local[1] },
    remote: { address: remote[0], port: remote[1] },
  });
  return { client: flow(sides[0], sides[1]), upstream: flow(sides[2], sides[3]), session, before };
}

type Written = Pick<PairNote, 'session' | 'before'> & { readonly sides: Sides };
type Fields = Readonly<Record<string, unknown>>;

/** Sessions are made of it: nothing may be missing. */
function isWritten(found: unknown): found is Written {
  if (!isObject(found) || !isObject(found['session'])) return false;
  const { sides, before } = found;
  const { session } = found;
  const isSide = (side: unknown): boolean => Array.isArray(side) && isIP(String(side[0])) > 0 && isPort(side[1]);
  const areWhole = (part: unknown, ...names: string[]): boolean => isObject(part) && areNumbers(part, ...names);
  const inBoth = (part: unknown, ...names: string[]): boolean =>
    isObject(part) && areWhole(part['ingress'], ...names) && areWhole(part['egress'], ...names);
  return (
    ['name', 'listener', 'route', 'cluster'].every((name) => typeof session[name] === 'string') &&
    areNumbers(session, 'startedAt') &&
    inBoth(session['passed'], 'packets', 'bytes', 'dropped') &&
    inBoth(session['relayed'], 'packets', 'bytes') &&
    isListOf(sides, 4, isSide) &&
    isListOf(before, 2, (part) => areWhole(part, 'packets', 'bytes'))
  );
}

function isObject(found: unknown): found is Fields {
  return typeof found === 'object' && found !== null;
}

function areNumbers(found: Fields, ...names: string[]): boolean {
  return names.every((name) => Number.isFinite(found[name]));
}

function isPort(found: unknown): boolean {
  return Number.isInteger(found) && Number(found) >= 0 && Number(found) <= 0xffff;
}

function isListOf(found: unknown, length: number, isOne: (each: unknown) => boolean): boolean {
  return Array.isArray(found) && found.length === length && found.every(isOne);
}
