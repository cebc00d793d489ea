/** A session of WebSocket: its handshake, and each message as a frame (RFC 6455). */
import { createHash } from 'node:crypto';
import { jsonObject } from '../../common/json.ts';
import type { TapDirection } from '../../dataplane/core/tap.ts';
import type { CloseRecord, DataRecord, EndRecord, SessionRecord } from '../../dataplane/taps/records.ts';
import { headText, type RequestHead, requestHead } from './http-wire.ts';
import type { Piece } from './packets.ts';
import { type Said, say, type Wire } from './wire.ts';

const FINAL = 0x80;
const MASKED = 0x80;
const OPCODES = { text: 1, binary: 2, close: 8 } as const;

/** Section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Sent by who began where its own isn't known. */
const SOME_KEY = Buffer.alloc(16).toString('base64');

/** What isn't as it was in what is shown: messages are not compressed. */
const LEFT_OUT: ReadonlySet<string> = new Set(['sec-websocket-extensions']);

export class WebSocketWire implements Wire {
  readonly isBare = false;
  private readonly request: RequestHead;
  private readonly subprotocol: string | undefined;
  /** What passes are frames already: the session was in the kernel. */
  private readonly isFramed: boolean;
  private shaken = false;
  private readonly ended = new Set<TapDirection>();

  constructor({ metadata, endpoint, framing }: SessionRecord) {
    this.request = requestHead(metadata, endpoint ?? 'unknown');
    const { subprotocol, subprotocols } = jsonObject(jsonObject(metadata)['WebSocket']);
    const chosen = subprotocol ?? (Array.isArray(subprotocols) ? subprotocols[0] : undefined);
    this.subprotocol = typeof chosen === 'string' ? chosen : undefined;
    this.isFramed = framing === 'bytes';
  }

  data({ direction, text }: DataRecord, payload: Piece): Said[] {
    const shaken = this.shake();
    if (this.isFramed) return [...shaken, { direction, ...payload }];
    return [...shaken, { direction, ...frame(OPCODES[text ? 'text' : 'binary'], direction === 'in', payload) }];
  }

  head(): Said[] {
    return [];
  }

  trailers(): Said[] {
    return [];
  }

  end({ direction, code, message = '' }: EndRecord): Said[] {
    return [...this.shake(), ...this.last(direction, code, message)];
  }

  close({ status, reason }: CloseRecord): Said[] {
    if (!this.shaken && status !== undefined && status !== 101) {
      const why: [string, string][] = [
        ['content-length', '0'],
        ['x-l7mp-reason', reason],
      ];
      return [this.ask(), say('out', headText(`HTTP/1.1 ${status} `, why))];
    }
    return this.shake();
  }

  private shake(): Said[] {
    if (this.shaken) return [];
    this.shaken = true;
    const accept = createHash('sha1').update(`${this.key}${GUID}`).digest('base64');
    const fields: [string, string][] = [
      ['upgrade', 'websocket'],
      ['connection', 'Upgrade'],
      ['sec-websocket-accept', accept],
      ...(this.subprotocol === undefined ? [] : [['sec-websocket-protocol', this.subprotocol] as [string, string]]),
    ];
    return [this.ask(), say('out', headText('HTTP/1.1 101 Switching Protocols', fields))];
  }

  private get key(): string {
    return this.request.headers.find(([name]) => name === 'sec-websocket-key')?.[1] ?? SOME_KEY;
  }

  private ask(): Said {
    const own = this.request.headers.filter(([name]) => !LEFT_OUT.has(name) && !HANDSHAKE.has(name));
    const fields: [string, string][] = [
      ['upgrade', 'websocket'],
      ['connection', 'Upgrade'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', this.key],
    ];
    return say('in', headText(`GET ${this.request.target} HTTP/1.1`, [...own, ...fields]));
  }

  private last(direction: TapDirection, code: number | undefined, message: string): Said[] {
    if (this.isFramed || this.ended.has(direction)) return [];
    this.ended.add(direction);
    const bytes =
      code === undefined
        ? Buffer.alloc(0)
        : Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(message)]);
    return [{ direction, ...frame(OPCODES.close, direction === 'in', { bytes, length: bytes.length }) }];
  }
}

const HANDSHAKE: ReadonlySet<string> = new Set(['upgrade', 'connection', 'sec-websocket-version', 'sec-websocket-key']);

/** Those of who began are masked, here with zeros, which changes nothing (section 5.3). */
function frame(opcode: number, isMasked: boolean, { bytes, length }: Piece): Piece {
  const head = Buffer.alloc(length < 126 ? 2 : length <= 0xffff ? 4 : 10);
  head.writeUInt8(FINAL | opcode, 0);
  const mark = head.length === 2 ? length : head.length === 4 ? 126 : 127;
  head.writeUInt8((isMasked ? MASKED : 0) | mark, 1);
  if (mark === 126) head.writeUInt16BE(length, 2);
  if (mark === 127) head.writeBigUInt64BE(BigInt(length), 2);
  const mask = Buffer.alloc(isMasked ? 4 : 0);
  return { bytes: Buffer.concat([head, mask, bytes]), length: head.length + mask.length + length };
}
