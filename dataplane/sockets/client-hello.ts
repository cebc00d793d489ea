/** What a TLS client says first, as far as rules may ask for it (RFC 8446, section 4.1.2; RFC 6066, RFC 7301). Pure. */

/** Of a ClientHello. */
export interface ClientHello {
  /** The name of the server that the client wants, in lower case; undefined where it names none. */
  readonly serverName: string | undefined;
  /** The application protocols that it offers, the most wanted first. */
  readonly alpn: readonly string[];
}

/** The most bytes that are read of one, over all its records. Those of browsers have some 2,000, with keys for post-quantum times. */
export const MAX_CLIENT_HELLO = 16 * 1024;

const HANDSHAKE = 22;
const MAJOR = 3;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
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
  /** How long the message is with its head; 0 as long as that is not known. */
  let want = 0;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE || (bytes[at + 1] ?? MAJOR) !== MAJOR) return 'absent';
    if (at + 5 > bytes.length) break;
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0 || size > MAX_RECORD) return 'absent';
    const part = bytes.subarray(at + 5, at + 5 + size);
    parts.push(part);
    have += part.length;
    if (have > 0 && parts[0]?.[0] !== CLIENT_HELLO) return 'absent';
    if (want === 0 && have >= 4) {
      want = 4 + Buffer.concat(parts).readUIntBE(1, 3);
      if (want > MAX_CLIENT_HELLO) return 'absent';
    }
    if (want > 0 && have >= want) return Buffer.concat(parts).subarray(4, want);
    at += 5 + size;
  }
  // Records of a byte each would make it six times as long.
  return bytes.length > 2 * MAX_CLIENT_HELLO ? 'absent' : 'incomplete';
}

function readHello(reader: Reader): ClientHello | undefined {
  reader.skip(2 + 32); // version, random
  reader.vector(1); // session
  reader.vector(2); // cipher suites
  reader.vector(1); // compression methods
  const extensions = new Reader(reader.atEnd ? Buffer.alloc(0) : reader.vector(2));
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  while (extensions.goesOn) {
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
  while (list.goesOn) {
    const type = list.number(1);
    const name = list.vector(2).toString('latin1').toLowerCase();
    if (type === HOST_NAME && /^[\x21-\x7e]{1,255}$/u.test(name)) return name;
  }
  return undefined;
}

function readNames(list: Reader): string[] {
  const names: string[] = [];
  while (list.goesOn) names.push(list.vector(1).toString('latin1'));
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

  get goesOn(): boolean {
    return !this.failed && !this.atEnd;
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
