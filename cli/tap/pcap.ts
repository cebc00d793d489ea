/** A tap as a capture file, which Wireshark reads: sessions as connections and flows, in the words of their protocols. */
import type { DataRecord, PartyRecord, SessionRecord } from '../../dataplane/taps/records.ts';
import type { TapDirection } from '../../dataplane/core/tap.ts';
import { productVersion } from '../../common/version.ts';
import { Addresses } from './addresses.ts';
import { Conversation } from './conversation.ts';
import type { Format } from './format.ts';
import { HttpWire } from './http-wire.ts';
import type { Piece } from './packets.ts';
import { fileHeader, type Packet, packetBlock, statisticsBlock } from './pcapng.ts';
import { WebSocketWire } from './websocket-wire.ts';
import { plainWire, type Said, type Wire } from './wire.ts';

/** Why a session was reset, by its peers or on purpose. */
const RESETS: ReadonlySet<string> = new Set(['PEER_RESET', 'FAULT_INJECTED', 'PROTOCOL_ERROR', 'TOO_LARGE']);

interface Shown {
  readonly conversation: Conversation;
  readonly wire: Wire;
  /** Bytes of payload so far, seen or not. */
  readonly offsets: Record<TapDirection, number>;
}

export function pcapFormat(): Format {
  const sessions = new Map<number, Shown>();
  const addresses = new Addresses();
  let isExact = true;

  const bytesOf = (packets: Iterable<Packet>): Buffer => Buffer.concat([...packets].map(packetBlock));
  function* tell({ conversation }: Shown, said: readonly Said[], time: number): Generator<Packet> {
    for (const each of said) yield* conversation.said(each, time);
  }

  function open(record: SessionRecord): void {
    const { ends, notes } = addresses.choose(record);
    const conversation = new Conversation(record, ends, describe(record, notes));
    sessions.set(record.id, { conversation, wire: wireOf(record, isExact), offsets: { in: 0, out: 0 } });
  }

  function* data(shown: Shown, record: DataRecord): Generator<Packet> {
    const { direction, offset, length, time } = record;
    const { offsets, conversation } = shown;
    // What had passed before the first record was never part of what is shown.
    if (offset > offsets[direction]) conversation.skip(direction, offset - offsets[direction]);
    offsets[direction] = offset + length;
    yield* tell(shown, shown.wire.data(record, pieceOf(record)), time);
  }

  return (record) => {
    if (record.type === 'start') {
      const { redact, listener = '', session = listener } = record.request;
      isExact = !redact.some((item) => item.startsWith('payload'));
      return fileHeader(`l7mp ${productVersion()}`, `l7mp tap ${session}`);
    }
    if (record.type === 'session') open(record);
    if (record.type === 'stop') return statisticsBlock(record.time, record.messages, record.dropped.messages);
    const shown = 'id' in record ? sessions.get(record.id) : undefined;
    if (!shown) return undefined;
    const { time } = record;
    switch (record.type) {
      case 'data':
        return bytesOf(data(shown, record));
      case 'head':
        return bytesOf(tell(shown, shown.wire.head(record), time));
      case 'trailers':
        return bytesOf(tell(shown, shown.wire.trailers(record), time));
      case 'end': {
        const last = [...tell(shown, shown.wire.end(record), time)];
        return bytesOf(shown.wire.isBare ? [...last, ...shown.conversation.end(record.direction, time)] : last);
      }
      case 'close': {
        const last = [...tell(shown, shown.wire.close(record), time)];
        const packets = [...last, ...shown.conversation.close(time, RESETS.has(record.reason))];
        sessions.delete(record.id);
        addresses.release(record.id);
        return bytesOf(packets);
      }
      default:
        return undefined;
    }
  };
}

/** Of what is redacted in part, the length is that of what is shown: as much as passed would say that some of it is cut. */
function pieceOf({ payload, encoding, length, redacted }: DataRecord): Piece {
  const bytes = Buffer.from(payload ?? '', encoding ?? 'utf8');
  return { bytes, length: redacted && payload !== undefined ? bytes.length : length };
}

function wireOf(session: SessionRecord, isExact: boolean): Wire {
  const { protocol } = (session.side === 'client' ? session.listener : session.cluster) ?? {};
  if (protocol === 'HTTP') return new HttpWire(session, isExact);
  return protocol === 'WebSocket' ? new WebSocketWire(session) : plainWire(session);
}

function describe(
  { session, side, listener, cluster, endpoint, joined }: SessionRecord,
  notes: readonly string[],
): string {
  // What a session begins with may come before it is known where it goes.
  const to = cluster === undefined ? '' : ` to ${partyOf('cluster', cluster)}`;
  return [
    `session ${session}, its ${side}'s side`,
    `${partyOf('listener', listener)}${to}${endpoint === undefined ? '' : `, endpoint ${endpoint}`}`,
    ...(joined ? ['it had begun before'] : []),
    ...notes,
  ].join('; ');
}

function partyOf(kind: string, { name, protocol = 'unknown' }: PartyRecord): string {
  return `${kind} ${name} (${protocol})`;
}
