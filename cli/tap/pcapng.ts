/** Blocks of a capture file in the format pcapng (draft-ietf-opsawg-pcapng), little endian. Pure. */

/** Packets begin with their IP header (LINKTYPE_RAW). */
const LINKTYPE_RAW = 101;

/** The most of a packet: as tcpdump and Wireshark have it. */
const SNAP_LENGTH = 262_144;

/** Types of blocks and codes of options. */
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const STATISTICS = 5;
const PACKET = 6;
const COMMENT = 1;
const FLAGS = 2;

/** A packet, or its beginning. */
export interface Packet {
  readonly bytes: Buffer;
  /** As it was. */
  readonly length: number;
  /** In ms since the epoch. */
  readonly time: number;
  /** As seen from the proxy. */
  readonly direction: 'inbound' | 'outbound';
  readonly comment?: string | undefined;
}

/** What a file begins with: who wrote it, and the one interface, whose times are in µs. */
export function fileHeader(application: string, interfaceName: string): Buffer {
  const section = Buffer.alloc(16);
  section.writeUInt32LE(0x1a2b3c4d, 0);
  section.writeUInt16LE(1, 4); // version 1.0
  section.writeBigInt64LE(-1n, 8); // of no known length
  const link = Buffer.alloc(8);
  link.writeUInt16LE(LINKTYPE_RAW, 0);
  link.writeUInt32LE(SNAP_LENGTH, 4);
  return Buffer.concat([
    block(SECTION, section, [option(4, Buffer.from(application))]),
    block(INTERFACE, link, [option(2, Buffer.from(interfaceName)), option(9, Buffer.from([6]))]),
  ]);
}

export function packetBlock({ bytes, length, time, direction, comment }: Packet): Buffer {
  const head = Buffer.alloc(20);
  writeTime(head, time, 4);
  head.writeUInt32LE(bytes.length, 12);
  head.writeUInt32LE(length, 16);
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(direction === 'inbound' ? 1 : 2);
  return block(PACKET, Buffer.concat([head, padded(bytes)]), [
    ...(comment === undefined ? [] : [option(COMMENT, Buffer.from(comment))]),
    option(FLAGS, flags),
  ]);
}

/** The end: how many messages were seen, and how many were lost on their way here. */
export function statisticsBlock(time: number, received: number, dropped: number): Buffer {
  const head = Buffer.alloc(12);
  writeTime(head, time, 4);
  return block(STATISTICS, head, [option(4, counter(received)), option(5, counter(dropped))]);
}

function counter(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function writeTime(target: Buffer, ms: number, at: number): void {
  const time = BigInt(Math.round(ms * 1000));
  target.writeUInt32LE(Number(time >> 32n), at);
  target.writeUInt32LE(Number(time & 0xffffffffn), at + 4);
}

function block(type: number, body: Buffer, options: readonly Buffer[]): Buffer {
  const content = Buffer.concat([body, ...options, Buffer.alloc(4)]); // opt_endofopt
  const length = content.length + 12;
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(length, 4);
  return Buffer.concat([head, content, head.subarray(4, 8)]);
}

/** Lengths have 16 bits. */
function option(code: number, value: Buffer): Buffer {
  const shown = value.subarray(0, 0xffff);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(shown.length, 2);
  return Buffer.concat([head, padded(shown)]);
}

/** To four bytes. */
function padded(bytes: Buffer): Buffer {
  return bytes.length % 4 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}
