/** Messages to the kernel's network configuration and back: rtnetlink(7). */
import { EAGAIN, bind, close, int32, read, send, socket, SOCK_RAW, systemError } from '../sockets/native/libc.ts';

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;

// linux/netlink.h, linux/rtnetlink.h
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const HEADER = 16;
const SOCKADDR = 12;
const INBOX = 64 * 1024;

/** RTMGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, and RTNLGRP_IPV6_RULE (linux/rtnetlink.h) */
export const CHANGES = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | (1 << 18);

/** The index of lo, in every network namespace (LOOPBACK_IFINDEX of net/flow.h). */
export const LO = 1;

export interface Message {
  readonly type: number;
  /** The structure that the type has. */
  readonly head: Buffer;
  attribute(type: number): Buffer | undefined;
}

/** Sizes of the structures by type: link, address, route, neighbour, discipline and filter. */
const HEAD_SIZES: readonly (readonly [first: number, last: number, size: number])[] = [
  [16, 19, 16],
  [20, 23, 8],
  [24, 27, 12],
  [28, 31, 12],
  [36, 47, 20],
];

/** An attribute: a type, and its value, or the attributes in it. */
export type Attribute = readonly [type: number, value: Buffer | number | string | readonly Attribute[]];

/** A socket that asks, or that listens to what changes. */
export class Netlink {
  private readonly fd: number;
  private readonly inbox = Buffer.alloc(INBOX);
  private sequence = 0;

  /** `groups`: a mask of RTMGRP_… that it hears. @throws ProxyError */
  constructor(groups = 0) {
    this.fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    const name = Buffer.alloc(SOCKADDR);
    name.writeUInt16LE(AF_NETLINK, 0);
    name.writeUInt32LE(groups, 8);
    try {
      bind(this.fd, name, 'netlink');
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  get descriptor(): number {
    return this.fd;
  }

  /** Asks for one thing: the answer, or the errno, negative. The kernel answers within the call. */
  get(type: number, head: Buffer, attributes: readonly Attribute[]): Message | number {
    return this.exchange(type, NLM_F_REQUEST, head, attributes);
  }

  /** Changes something: 0 or a negative errno. */
  change(type: number, flags: number, head: Buffer, attributes: readonly Attribute[]): number {
    const answer = this.exchange(type, NLM_F_REQUEST | NLM_F_ACK | flags, head, attributes);
    return typeof answer === 'number' ? answer : 0;
  }

  /** What has come; undefined where some was lost, because it was too much. */
  receive(): readonly Message[] | undefined {
    const messages: Message[] = [];
    for (;;) {
      const bytes = this.take();
      if (bytes === -EAGAIN) return messages;
      if (typeof bytes === 'number') return undefined;
      for (const [, message] of parse(bytes)) if (typeof message !== 'number') messages.push(message);
    }
  }

  close(): void {
    close(this.fd);
  }

  private exchange(type: number, flags: number, head: Buffer, attributes: readonly Attribute[]): Message | number {
    const sequence = ++this.sequence;
    const body = Buffer.concat([head, ...attributes.map(encode)]);
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(HEADER + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(flags, 6);
    header.writeUInt32LE(sequence, 8);
    const sent = send(this.fd, Buffer.concat([header, body]));
    if (sent < 0) throw systemError('netlink', -sent);
    for (;;) {
      const bytes = this.take();
      if (typeof bytes === 'number') throw systemError('netlink', -bytes);
      for (const [number, message] of parse(bytes)) if (number === sequence) return message;
    }
  }

  /** What came next, in bytes of its own: messages outlive the inbox, as more is asked while they are looked at. Or a negative errno. */
  private take(): Buffer | number {
    const length = read(this.fd, this.inbox);
    return length < 0 ? length : Buffer.from(this.inbox.subarray(0, length));
  }
}

function* parse(bytes: Buffer): Generator<[sequence: number, message: Message | number]> {
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = Math.max(HEADER, bytes.readUInt32LE(at));
    const type = bytes.readUInt16LE(at + 4);
    const body = bytes.subarray(at + HEADER, at + length);
    const sequence = bytes.readUInt32LE(at + 8);
    if (type === NLMSG_ERROR) yield [sequence, body.readInt32LE(0)];
    else yield [sequence, decode(type, body)];
    at += align(length);
  }
}

function decode(type: number, body: Buffer): Message {
  const size = HEAD_SIZES.find(([first, last]) => first <= type && type <= last)?.[2] ?? body.length;
  return { type, head: body.subarray(0, size), attribute: (wanted) => findAttribute(body.subarray(size), wanted) };
}

/** The value of the first attribute of this type. */
export function findAttribute(attributes: Buffer, wanted: number): Buffer | undefined {
  for (let at = 0; at + 4 <= attributes.length;) {
    const length = Math.max(4, attributes.readUInt16LE(at));
    if (attributes.readUInt16LE(at + 2) === wanted) return attributes.subarray(at + 4, at + length);
    at += align(length);
  }
  return undefined;
}

function encode([type, content]: Attribute): Buffer {
  const value =
    typeof content === 'number'
      ? int32(content)
      : typeof content === 'string'
        ? Buffer.from(`${content}\0`)
        : Buffer.isBuffer(content)
          ? content
          : Buffer.concat(content.map(encode));
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
