/** Where JSON objects begin and end in a byte stream: found byte by byte, without parsing them. */

/** Nesting that a scanner takes; deeper values overflow the stack of whoever writes them out again. */
export const MAX_DEPTH = 128;

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = Buffer.from('"\\{}[]');

/** Follows one object. UTF-8 needs no care: bytes of longer sequences are never ASCII (RFC 3629). */
export class ObjectScanner {
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** It was nested deeper than `MAX_DEPTH`. */
  tooDeep = false;

  /**
   * The index behind the object's last byte, or -1 where the object goes on behind the chunk. The first byte that it
   * is ever given is the object's `{`. Brackets that don't match count by number: parsing finds them.
   */
  scan(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
      } else if (byte === QUOTE) {
        this.inString = true;
      } else if (byte === OPEN || byte === OPEN_LIST) {
        if (++this.depth > MAX_DEPTH) this.tooDeep = true;
      } else if (byte === CLOSE || byte === CLOSE_LIST) {
        if (--this.depth === 0) return at + 1;
      }
    }
    return -1;
  }
}

/** JSON's white space (RFC 8259, section 2). */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** What a splitter finds. */
export interface ObjectHandler {
  /** The bytes of one object. They may not be valid JSON. */
  object(bytes: Buffer): void;
  /** Something that is no object, is too long or too deep was passed over: once for each stretch. */
  skipped(): void;
}

/** Takes a stream of objects apart: they follow each other with white space, or nothing, between them. */
export class ObjectSplitter {
  private readonly maxBytes: number;
  private readonly handler: ObjectHandler;
  private scanner: ObjectScanner | undefined;
  /** What came of the object so far; undefined where it is too long to keep. */
  private parts: Buffer[] | undefined = [];
  private length = 0;
  /** Between two objects, among bytes that are no white space. */
  private lost = false;

  constructor(maxBytes: number, handler: ObjectHandler) {
    this.maxBytes = maxBytes;
    this.handler = handler;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.scanner === undefined) {
        at = this.findStart(chunk, at);
        if (at === chunk.length) return;
        this.scanner = new ObjectScanner();
      }
      const end = this.scanner.scan(chunk, at);
      this.keep(chunk.subarray(at, end < 0 ? chunk.length : end));
      if (end < 0) return;
      this.finish(this.scanner.tooDeep);
      at = end;
    }
  }

  /** Nothing more comes: an object that was begun is passed over. */
  end(): void {
    if (this.scanner !== undefined) this.finish(true);
  }

  private findStart(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === OPEN) {
        this.lost = false;
        return at;
      }
      if (!isSpace(byte) && !this.lost) {
        this.lost = true;
        this.handler.skipped();
      }
    }
    return chunk.length;
  }

  private keep(part: Buffer): void {
    this.length += part.length;
    if (this.length > this.maxBytes) this.parts = undefined;
    else this.parts?.push(part);
  }

  private finish(skip: boolean): void {
    const { parts } = this;
    this.scanner = undefined;
    this.parts = [];
    this.length = 0;
    if (skip || parts === undefined) this.handler.skipped();
    else this.handler.object(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
  }
}
