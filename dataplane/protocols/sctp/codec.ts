/** Messages that the kernel delivers in parts (RFC 6458, section 8.1.20), put together again. Pure. */

export class Reassembly {
  private readonly maxBytes: number;
  private parts: Buffer[] = [];
  private length = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** The message, once its last part has come. `TOO_LARGE`: it is longer than it may be; its parts are dropped. */
  add(part: Buffer, last: boolean): Buffer | undefined | 'TOO_LARGE' {
    this.length += part.length;
    if (this.length > this.maxBytes) {
      this.clear();
      return 'TOO_LARGE';
    }
    if (last && this.parts.length === 0) {
      this.length = 0;
      return part;
    }
    this.parts.push(part);
    if (!last) return undefined;
    const message = Buffer.concat(this.parts, this.length);
    this.clear();
    return message;
  }

  private clear(): void {
    this.parts = [];
    this.length = 0;
  }
}
