/** What a TLS client says first, as far as rules may ask for it (RFC 8446, section 4.1.2; RFC 6066, RFC 7301). Pure. */

/** Of a ClientHello. */
export interface ClientHello {
  /** The name of the server that the client wants, in lower case; undefined where it names none. */
  readonly serverName: string | undefined;
  /** The application protocols that it offers, the most wanted first. */
  readonly alpn: readonly string[];
}

/** The most bytes that are read of one, over all its records. Those of browsers have some 2,000, with keys for post-quantum times. */
export const MAX_CLIENT_HELLO = 64 * 1024;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

/** A record has at most so many bytes (RFC 8446, section 5.1). */
const MAX_RECORD = 16 * 1024;

/**
 * Reads what a connection begins with. `incomplete`: there may be one, and more bytes are wanted. `absent`: it is no TLS, or
 * not as TLS begins, or too long.
 */
export function parseClientHello(bytes: Buffer): ClientHello | 'incomplete' | 'absent' {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  return readHello(new Reader(message)) ?? 'absent';
}

/** The handshake message that the first records hold: it may be split at any byte. */
function joinRecords(bytes: Buffer): Buffer | 'incomplete' | 'absent' {
  const parts: Buffer[] = [];
  let have = 0;
  let at = 0;
  for (;;) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE) return 'absent';
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return 'absent';
    const hasHead = at + 5 <= bytes.length;
    const size = hasHead ? bytes.readUInt16BE(at + 3) : 0;
    if (hasHead && (size === 0 || size > MAX_RECORD)) return 'absent';
    const part = hasHead ? bytes.subarray(at + 5, at + 5 + size) : Buffer.alloc(0);
    parts.push(part);
    have += part.length;
    const joined = parts.length === 1 ? part : Buffer.concat(parts, have);
    if (have > 0 && joined[0] !== CLIENT_HELLO) return 'absent';
    if (have >= 4) {
      const length = joined.readUIntBE(1, 3);
      if (length > MAX_CLIENT_HELLO) return 'absent';
      if (have >= 4 + length) return joined.subarray(4, 4 + length);
    }
    if (part.length < size || !hasHead) return bytes.length > 2 * MAX_CLIENT_HELLO ? 'absent' : 'incomplete';
    at += 5 + size;
  }
}

function readHello(reader: Reader): ClientHello | undefined {
  reader.skip(2 + 32); // version, random
  reader.vector(1); // session
  reader.vector(2); // cipher suites
  reader.vector(1); // compression methods
  const extensions = new Reader(reader.atEnd ? Buffer.alloc(0) : reader.vector(2));
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  while (!extensions.atEnd && !extensions.failed) {
    const type = extensions.number(2);
    const body = new Reader(extensions.vector(2));
    if (type === SERVER_NAME) serverName = readServerName(new Reader(body.vector(2)));
    else if (type === ALPN) alpn = readNames(new Reader(body.vector(2)));
    if (body.failed) return undefined;
  }
  return reader.failed || extensions.failed ? undefined : { serverName, alpn };
}

/** The first host name: there is but one (RFC 6066, section 3). */
function readServerName(list: Reader): string | undefined {
  while (!list.atEnd && !list.failed) {
    const type = list.number(1);
    const name = list.vector(2).toString('latin1').toLowerCase();
    if (type === 0 && !list.failed && /^[\x21-\x7e]{1,255}$/u.test(name)) return name;
  }
  return undefined;
}

function readNames(list: Reader): string[] {
  const names: string[] = [];
  while (!list.atEnd && !list.failed) names.push(list.vector(1).toString('latin1'));
  return list.failed ? [] : names;
}

/** Reads on; past the end it gives nothing, and has failed. */
class Reader {
  failed = false;
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  skip(count: number): void {
    if (this.at + count > this.bytes.length) this.failed = true;
    this.at += count;
  }

  number(size: number): number {
    const from = this.at;
    this.skip(size);
    return this.failed ? 0 : this.bytes.readUIntBE(from, size);
  }

  /** Bytes behind their length, which takes `size` bytes. */
  vector(size: number): Buffer {
    const length = this.number(size);
    const from = this.at;
    this.skip(length);
    return this.failed ? Buffer.alloc(0) : this.bytes.subarray(from, from + length);
  }
}
