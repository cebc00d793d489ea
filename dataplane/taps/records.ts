/** What a tap streams: one JSON object a line. Types only. */
import type { Json, Tap } from '../../gen/l7mp/config/v1/types.ts';
import type { HeaderList } from '../core/stream.ts';
import type { TapDirection, TapSide } from '../core/tap.ts';

/** Times are in ms since the epoch, to the microsecond. */
interface Timed {
  readonly time: number;
}

/** The first: what is tapped. */
export interface StartRecord extends Timed {
  readonly type: 'start';
  readonly tap: number;
  readonly request: Tap;
}

/** A party of a session, by its name in the configuration. */
export interface PartyRecord {
  readonly name: string;
  /** Undefined where the configuration hasn't got it any more. */
  readonly protocol?: string | undefined;
  /** How it marks the boundaries of messages on a byte stream. */
  readonly framing?: string | undefined;
}

export interface EndRecordAddress {
  readonly address: string;
  readonly port: number;
}

/** A connection or flow; `from` is who began it. What has no such address is absent. */
export interface EndsRecord {
  readonly transport: 'tcp' | 'udp';
  readonly from?: EndRecordAddress | undefined;
  readonly to?: EndRecordAddress | undefined;
  /** Its packets carry the payload and nothing else: no TLS, no frames, no other protocol. */
  readonly bare: boolean;
}

/** Before all else of a session. */
export interface SessionRecord extends Timed {
  readonly type: 'session';
  /** As in the records that follow of it, and as the REST API has it. */
  readonly id: number;
  readonly session: string;
  readonly side: TapSide;
  readonly listener: PartyRecord;
  readonly cluster?: PartyRecord | undefined;
  readonly endpoint?: string | undefined;
  readonly route?: string | undefined;
  /** It had begun before, and some of it has passed unseen. */
  readonly joined?: true;
  readonly ends: EndsRecord;
  /** `datagrams`: each message has its boundaries. */
  readonly framing: 'bytes' | 'datagrams';
  readonly metadata: Json;
}

interface Passing extends Timed {
  readonly id: number;
  readonly direction: TapDirection;
}

/** A message, or a chunk of bytes. */
export interface DataRecord extends Passing {
  readonly type: 'data';
  /** Bytes of the same direction before it, seen or not. */
  readonly offset: number;
  /** In bytes, as it passed: more than `payload` has where that is cut, and another number where it is redacted. */
  readonly length: number;
  /** Absent where all of it is redacted. */
  readonly payload?: string;
  /** `payload` is base64: it is no UTF-8. */
  readonly encoding?: 'base64';
  /** Its protocol marks it as text. */
  readonly text?: true;
  /** Parts of it, or all, are not shown. */
  readonly redacted?: true;
}

/** The head of an answer. */
export interface HeadRecord extends Passing {
  readonly type: 'head';
  readonly status: number;
  readonly reason?: string | undefined;
  readonly headers: HeaderList;
  /** What follows is a tunnel's. */
  readonly tunnel?: true | undefined;
}

export interface TrailersRecord extends Passing {
  readonly type: 'trailers';
  readonly headers: HeaderList;
}

/** Nothing more passes in this direction. */
export interface EndRecord extends Passing {
  readonly type: 'end';
  readonly code?: number | undefined;
  readonly message?: string | undefined;
}

/** Something of a session that isn't seen, and why. */
export interface NoteRecord extends Timed {
  readonly type: 'note';
  readonly id: number;
  readonly message: string;
}

/** The session is over. */
export interface CloseRecord extends Timed {
  readonly type: 'close';
  readonly id: number;
  /** `OK`, or a code of the catalogue. */
  readonly reason: string;
  /** Where it went: what it begins with may come before that is known. */
  readonly cluster?: string | undefined;
  readonly endpoint?: string | undefined;
  /** What its client was answered with, where it speaks HTTP. */
  readonly status?: number | undefined;
}

/** Here, so much is missing: there was no room for it, or too much of it a second. */
export interface DroppedRecord extends Timed {
  readonly type: 'dropped';
  readonly messages: number;
  readonly bytes: number;
}

/** The last. */
export interface StopRecord extends Timed {
  readonly type: 'stop';
  readonly reason: string;
  readonly sessions: number;
  readonly messages: number;
  readonly bytes: number;
  readonly dropped: { readonly messages: number; readonly bytes: number };
}

export type TapRecord =
  | StartRecord
  | SessionRecord
  | DataRecord
  | HeadRecord
  | TrailersRecord
  | EndRecord
  | NoteRecord
  | CloseRecord
  | DroppedRecord
  | StopRecord;
