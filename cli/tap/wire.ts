/** What the payload of a session looks like on a wire, for those who know its protocol by that. */
import type {
  DataRecord,
  EndRecord,
  HeadRecord,
  SessionRecord,
  TrailersRecord,
  CloseRecord,
} from '../../dataplane/taps/records.ts';
import type { TapDirection } from '../../dataplane/core/tap.ts';
import type { Piece } from './packets.ts';

/** Something that is said in one direction. */
export interface Said extends Piece {
  readonly direction: TapDirection;
}

/** A protocol of one session. Each gives what is said because of a record, in order. */
export interface Wire {
  /** An end in one direction is one of the connection, not a message's. */
  readonly isBare: boolean;
  data(record: DataRecord, payload: Piece): readonly Said[];
  head(record: HeadRecord): readonly Said[];
  trailers(record: TrailersRecord): readonly Said[];
  end(record: EndRecord): readonly Said[];
  close(record: CloseRecord): readonly Said[];
}

export const say = (direction: TapDirection, text: string | Buffer): Said => {
  const bytes = Buffer.from(text);
  return { direction, bytes, length: bytes.length };
};

/** Messages as they are, with what the listener or cluster puts in front of or behind them (`framing`). */
export function plainWire({ side, listener, cluster }: SessionRecord): Wire {
  const { framing } = (side === 'client' ? listener : cluster) ?? {};
  const none = (): readonly Said[] => [];
  return {
    isBare: true,
    data: ({ direction }, payload) => [{ direction, ...withFraming(payload, framing) }],
    head: none,
    trailers: none,
    end: none,
    close: none,
  };
}

function withFraming(payload: Piece, framing: string | undefined): Piece {
  const { bytes, length } = payload;
  if (framing === 'length-prefix-2' || framing === 'length-prefix-4') {
    const prefix = Buffer.alloc(framing === 'length-prefix-2' ? 2 : 4);
    prefix.writeUIntBE(length, 0, prefix.length);
    return { bytes: Buffer.concat([prefix, bytes]), length: prefix.length + length };
  }
  if (framing !== 'newline') return payload;
  const isWhole = bytes.length === length;
  return { bytes: isWhole ? Buffer.concat([bytes, Buffer.from('\n')]) : bytes, length: length + 1 };
}
