/** The system calls of the load generators, through koffi: sockets without the event loop's cost (man 2). */
import { closeSync, openSync } from 'node:fs';
import { endianness } from 'node:os';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

type Argument = number | bigint | string | Buffer | null;
type Call = (...args: Argument[]) => number;

function call(signature: string): Call {
  return libc.func(signature);
}

export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const MSG_DONTWAIT = 0x40;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUFFORCE = 33;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const CLONE_NEWNET = 0x40000000;
const EAGAIN = 11;
const EINPROGRESS = 115;

/** These give -1 where nothing can be read or written just now; anything else that goes wrong, too: see `errno`. */
export const read = call('long read(int fd, void *data, size_t length)');
export const write = call('long write(int fd, void *data, size_t length)');
export const close = call('int close(int fd)');
export const accept = call('int accept4(int fd, void *address, void *length, int flags)');
export const epollWait = call('int epoll_wait(int fd, void *events, int count, int timeout)');
const sendmmsg = call('int sendmmsg(int fd, uint64_t headers, uint32_t count, int flags)');
const recvmmsg = call('int recvmmsg(int fd, uint64_t headers, uint32_t count, int flags, void *timeout)');
const socketCall = call('int socket(int domain, int type, int protocol)');
const bindCall = call('int bind(int fd, void *address, uint32_t length)');
const connectCall = call('int connect(int fd, void *address, uint32_t length)');
const listenCall = call('int listen(int fd, int backlog)');
const setsockopt = call('int setsockopt(int fd, int level, int name, void *value, uint32_t length)');
const setnsCall = call('int setns(int fd, int type)');
const epollCreate = call('int epoll_create1(int flags)');
const epollControl = call('int epoll_ctl(int fd, int operation, int target, void *event)');

function check(what: string, result: number): number {
  if (result >= 0) return result;
  const number = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? String(number);
  throw new Error(`${what}: ${name}`);
}

/** Sockets made from now on belong to this network namespace; those made before keep theirs. */
export function enterNamespace(name: string): void {
  const fd = openSync(`/run/netns/${name}`, 'r');
  check(`setns ${name}`, setnsCall(fd, CLONE_NEWNET));
  closeSync(fd);
}

/** `struct sockaddr_in`. */
export function socketAddress(address: string, port: number): Buffer {
  const value = Buffer.alloc(16);
  writeHost16(value, AF_INET, 0);
  value.writeUInt16BE(port, 2);
  address.split('.').forEach((byte, index) => value.writeUInt8(Number(byte), 4 + index));
  return value;
}

export function writeHost16(buffer: Buffer, value: number, offset: number): void {
  if (endianness() === 'LE') buffer.writeUInt16LE(value, offset);
  else buffer.writeUInt16BE(value, offset);
}

export function socket(domain: number, type: number, protocol = 0): number {
  return check('socket', socketCall(domain, type, protocol));
}

export function bind(fd: number, address: Buffer): void {
  check('bind', bindCall(fd, address, address.length));
}

export function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.from(Int32Array.of(value).buffer);
  check('setsockopt', setsockopt(fd, level, name, bytes, 4));
}

/** A UDP socket with a receive buffer that outlasts the generator's longest pause. */
export function udpSocket(address: string, port: number): number {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, 16 * 1024 * 1024);
  bind(fd, socketAddress(address, port));
  return fd;
}

export function connect(fd: number, address: string, port: number): void {
  const to = socketAddress(address, port);
  if (connectCall(fd, to, to.length) < 0 && koffi.errno() !== EINPROGRESS) check('connect', -1);
}

/** A connection under way; it is writable once it stands. */
export function tcpConnect(address: string, port: number): number {
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  connect(fd, address, port);
  return fd;
}

export function tcpListen(address: string, port: number): number {
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  bind(fd, socketAddress(address, port));
  check('listen', listenCall(fd, 4096));
  return fd;
}

/** Whether the last call failed only because it would have waited. */
export function wouldBlock(): boolean {
  return koffi.errno() === EAGAIN;
}

/** Messages for sendmmsg(2) and recvmmsg(2), prepared once: an array of `struct mmsghdr` and what it points at. */
export class MessageBatch {
  readonly count: number;
  readonly size: number;
  readonly data: Buffer;
  private readonly headers: Buffer;
  private readonly vectors: Buffer;
  private readonly names: Buffer;
  private readonly address: number;

  /** `count` messages of `size` bytes; `named` ones carry the address of their peer. */
  constructor(count: number, size: number, named = false) {
    this.count = count;
    this.size = size;
    this.data = Buffer.alloc(count * size);
    this.headers = Buffer.alloc(count * HEADER);
    this.vectors = Buffer.alloc(count * VECTOR);
    this.names = Buffer.alloc(count * NAME);
    const data = koffi.address(this.data);
    const vectors = koffi.address(this.vectors);
    const names = koffi.address(this.names);
    for (let i = 0; i < count; i++) {
      writePointer(this.vectors, data + BigInt(i * size), i * VECTOR);
      writePointer(this.vectors, BigInt(size), i * VECTOR + 8);
      if (named) {
        writePointer(this.headers, names + BigInt(i * NAME), i * HEADER);
        this.headers.writeUInt32LE(NAME, i * HEADER + 8);
      }
      writePointer(this.headers, vectors + BigInt(i * VECTOR), i * HEADER + 16);
      writePointer(this.headers, 1n, i * HEADER + 24);
    }
    this.address = Number(koffi.address(this.headers));
  }

  message(index: number): Buffer {
    return this.data.subarray(index * this.size, (index + 1) * this.size);
  }

  /** How many were sent; 0 where the socket takes no more now. */
  send(fd: number, first: number, count: number): number {
    return Math.max(0, sendmmsg(fd, this.address + first * HEADER, count, MSG_DONTWAIT));
  }

  /** How many have come, from the first message of the batch on. */
  receive(fd: number): number {
    return Math.max(0, recvmmsg(fd, this.address, this.count, MSG_DONTWAIT, null));
  }
}

/** Sizes of `struct mmsghdr`, `struct iovec` and `struct sockaddr_in` on 64-bit Linux. */
const HEADER = 64;
const VECTOR = 16;
const NAME = 16;

function writePointer(buffer: Buffer, value: bigint, offset: number): void {
  if (endianness() === 'LE') buffer.writeBigUInt64LE(value, offset);
  else buffer.writeBigUInt64BE(value, offset);
}

export const READABLE = 1;
export const WRITABLE = 4;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;

/** `struct epoll_event` is packed on x86-64 only. */
const EVENT = process.arch === 'x64' ? 12 : 16;

/** epoll(7) with a handler for each descriptor. */
export class Poller {
  private readonly fd = check('epoll_create1', epollCreate(0));
  private readonly events = Buffer.alloc(256 * EVENT);
  private readonly change = Buffer.alloc(EVENT);
  private readonly handlers: ((fd: number) => void)[] = [];

  /** Closing the descriptor removes it. */
  add(fd: number, interest: number, handler: (fd: number) => void): void {
    const known = this.handlers[fd] !== undefined;
    this.handlers[fd] = handler;
    this.change.writeUInt32LE(interest, 0);
    this.change.writeInt32LE(fd, EVENT - 8);
    const changed = known ? epollControl(this.fd, EPOLL_CTL_MOD, fd, this.change) : -1;
    if (changed < 0) check('epoll_ctl', epollControl(this.fd, EPOLL_CTL_ADD, fd, this.change));
  }

  /** Runs the handlers of what is ready; waits at most `timeoutMs` for it. */
  poll(timeoutMs: number): void {
    const count = epollWait(this.fd, this.events, 256, timeoutMs);
    for (let i = 0; i < count; i++) {
      const fd = this.events.readInt32LE(i * EVENT + EVENT - 8);
      this.handlers[fd]?.(fd);
    }
  }
}
