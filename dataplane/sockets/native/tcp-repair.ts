/**
 * Established TCP connections from below: what the kernel knows of one, what its socket takes from the network, and the
 * socket made anew at other sequence numbers (TCP_REPAIR, which needs CAP_NET_ADMIN).
 */
import {
  addressOf,
  askDescriptor,
  bind,
  connect,
  EINVAL,
  errnoOf,
  getOption,
  getPeerName,
  getSocketName,
  int32,
  setOption,
  SO_ERROR,
  SO_LINGER,
  SO_REUSEADDR,
  SOL_SOCKET,
  systemError,
} from './libc.ts';

// linux/tcp.h, linux/sockios.h, asm-generic/socket.h, net/tcp_states.h
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const TCP_INFO = 11;
const TCP_REPAIR = 19;
const TCP_REPAIR_QUEUE = 20;
const TCP_QUEUE_SEQ = 21;
const TCP_REPAIR_OPTIONS = 22;
const TCP_TIMESTAMP = 24;
const TCP_REPAIR_WINDOW = 29;
const REPAIR_ON = 1;
const REPAIR_OFF = 0;
const REPAIR_OFF_NO_PROBE = -1;
const RECEIVE_QUEUE = 1;
const SEND_QUEUE = 2;
const TCP_ESTABLISHED = 1;
const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;
const SIOCOUTQNSD = 0x894b;
const SO_KEEPALIVE = 9;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const OPTION_TIMESTAMPS = 1;
const OPTION_SACK = 2;
const OPTION_WINDOW_SCALE = 4;
const OPTION_ECN = 8;
/** `struct tcp_info` up to the field that is read last. */
const INFO_SIZE = 152;
/** A shortest round trip that is not known. */
const UNMEASURED = 0xffff_ffff;
const AF_UNSPEC = Buffer.alloc(16);

/** What both ends of a connection have agreed on, and what is known of it. */
export interface ConnectionInfo {
  readonly isEstablished: boolean;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly ecn: boolean;
  /** Of windows that the peer announces; undefined: they aren't scaled. */
  readonly peerScale: number | undefined;
  /** Of those that we announce. */
  readonly ownScale: number | undefined;
  /** Payload of segments that the peer was told it may send, at most; options count as payload. */
  readonly maxSegment: number;
  /** Segments that the peer has not acknowledged. */
  readonly unacked: number;
  /** The shortest that the peer took to acknowledge, in ms: of the path, without what waits in queues; where unknown, what it takes on average. */
  readonly roundTrip: number;
  /** Bytes that the peer has sent, in order, so far. */
  readonly received: bigint;
}

export function connectionInfo(fd: number): ConnectionInfo {
  const info = getOption(fd, IPPROTO_TCP, TCP_INFO, INFO_SIZE);
  const options = info.readUInt8(5);
  const scales = options & OPTION_WINDOW_SCALE ? info.readUInt8(6) : undefined;
  const shortest = info.readUInt32LE(148);
  return {
    isEstablished: info.readUInt8(0) === TCP_ESTABLISHED,
    timestamps: (options & OPTION_TIMESTAMPS) !== 0,
    sack: (options & OPTION_SACK) !== 0,
    ecn: (options & OPTION_ECN) !== 0,
    peerScale: scales === undefined ? undefined : scales & 15,
    ownScale: scales === undefined ? undefined : scales >> 4,
    maxSegment: info.readUInt32LE(84),
    unacked: info.readUInt32LE(24),
    roundTrip: (shortest === UNMEASURED ? info.readUInt32LE(68) : shortest) / 1000,
    received: info.readBigUInt64LE(128),
  };
}

/** Payload of segments that the peer has said it takes, at most; options count as payload. Only in repair is it told. @throws ProxyError */
export function peerMaxSegment(fd: number): number {
  enterRepair(fd);
  try {
    return getOption(fd, IPPROTO_TCP, TCP_MAXSEG).readUInt32LE();
  } finally {
    leaveRepair(fd);
  }
}

/** Bytes that wait to be read. */
export function unreadBytes(fd: number): number {
  return askDescriptor(fd, SIOCINQ);
}

/** Bytes that wait to be sent. */
export function unsentBytes(fd: number): number {
  return askDescriptor(fd, SIOCOUTQNSD);
}

/** Bytes that the peer has not acknowledged, sent or not. */
export function unackedBytes(fd: number): number {
  return askDescriptor(fd, SIOCOUTQ);
}

/** `struct sock_filter`: operation, where to jump if true and if false, operand. */
type Instruction = readonly [number, number, number, number];
const LOAD_BYTE = 0x30;
const JUMP_IF_SET = 0x45;
const RETURN = 0x06;
const FLAGS_OFFSET = 13;
const FIN = 1;

/** Payload is cut off, what is acknowledged counts; a FIN, which comes after payload, has to come again. */
const STRIP: readonly Instruction[] = [
  [LOAD_BYTE, 0, 0, FLAGS_OFFSET],
  [JUMP_IF_SET, 1, 0, FIN],
  [RETURN, 0, 0, 1],
  [RETURN, 0, 0, 0],
];
const DROP: readonly Instruction[] = [[RETURN, 0, 0, 0]];

/** What a socket takes of the packets that reach it: all, headers alone, or nothing. */
export type Intake = 'all' | 'headers' | 'nothing';

export function setIntake(fd: number, intake: Intake): void {
  if (intake === 'all') {
    setOption(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
    return;
  }
  const program = intake === 'headers' ? STRIP : DROP;
  const filter = Buffer.alloc(8 * program.length);
  program.forEach(([operation, yes, no, operand], index) => {
    filter.writeUInt16LE(operation, 8 * index);
    filter.writeUInt8(yes, 8 * index + 2);
    filter.writeUInt8(no, 8 * index + 3);
    filter.writeUInt32LE(operand, 8 * index + 4);
  });
  const head = Buffer.alloc(16); // struct sock_fprog
  head.writeUInt16LE(program.length, 0);
  head.writeBigUInt64LE(BigInt(addressOf(filter)), 8);
  setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, head);
}

/** Where a connection stands, modulo 2^32. */
export interface Position {
  /** The sequence number of the next byte that is sent. */
  readonly send: number;
  /** That of the next byte that is received. */
  readonly receive: number;
  /** Our clock, of timestamps: later than what was sent, by two ticks at most. */
  readonly clock: number;
  /** Bytes that the peer takes, and that it was told it may send. */
  readonly sendWindow: number;
  readonly receiveWindow: number;
}

/** Where one was found. */
export interface FoundPosition extends Position {
  /** The sequence number of the first byte that the peer has not acknowledged. */
  readonly acked: number;
}

/** Nothing is sent any more, and closing the socket tells nobody. @throws ProxyError */
export function enterRepair(fd: number): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON);
}

/** As if it had never been entered. @throws ProxyError */
export function leaveRepair(fd: number): void {
  leave(fd, REPAIR_OFF_NO_PROBE);
}

/** Leaves repair, and asks the peer for a word: it tells where it is, with its window (tcp_send_window_probe). @throws ProxyError */
export function resume(fd: number): void {
  leave(fd, REPAIR_OFF);
}

/** Leaving it forgets that the port may be bound again beside the connection: no listener could be there until it is long gone. */
function leave(fd: number, how: typeof REPAIR_OFF | typeof REPAIR_OFF_NO_PROBE): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR, how);
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** Of a socket in repair, with nothing unsent. @throws ProxyError */
export function readPosition(fd: number): FoundPosition {
  const window = getOption(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, 20);
  const send = readQueue(fd, SEND_QUEUE);
  return {
    send,
    acked: (send - unackedBytes(fd)) >>> 0,
    receive: readQueue(fd, RECEIVE_QUEUE),
    clock: (readClock(fd) + 2) >>> 0,
    sendWindow: window.readUInt32LE(4),
    receiveWindow: window.readUInt32LE(12),
  };
}

/**
 * Puts the connection of a socket in repair elsewhere, with nothing unacknowledged. Descriptor and ends stay; for a moment nobody has the
 * connection, and the stack would reset it if a packet came.
 *
 * @throws ProxyError
 */
export function restore(fd: number, position: Position): void {
  const info = connectionInfo(fd);
  const [own, peer] = [getSocketName(fd), getPeerName(fd)];
  const segment = getOption(fd, IPPROTO_TCP, TCP_MAXSEG).readUInt32LE();
  // Whether it counts microseconds is its lowest bit.
  const clock = (((position.clock + 1) & ~1) | (readClock(fd) & 1)) >>> 0;
  const gone = connect(fd, AF_UNSPEC);
  if (gone < 0) throw systemError('disconnect in repair', -gone);
  getOption(fd, SOL_SOCKET, SO_ERROR); // ECONNABORTED, which is ours
  writeQueue(fd, SEND_QUEUE, position.send);
  writeQueue(fd, RECEIVE_QUEUE, position.receive);
  try {
    bind(fd, own, 'in repair');
  } catch (error) {
    // It was bound by name, and still is.
    if (errnoOf(error) !== EINVAL) throw error;
  }
  const result = connect(fd, peer);
  if (result < 0) throw systemError('connect in repair', -result);
  const { peerScale, ownScale } = info;
  setOption(
    fd,
    IPPROTO_TCP,
    TCP_REPAIR_OPTIONS,
    Buffer.concat([
      repairOption(2, segment),
      ...(peerScale === undefined || ownScale === undefined ? [] : [repairOption(3, peerScale | (ownScale << 16))]),
      ...(info.sack ? [repairOption(4, 0)] : []),
      ...(info.timestamps ? [repairOption(8, 0)] : []),
    ]),
  );
  if (info.timestamps) setOption(fd, IPPROTO_TCP, TCP_TIMESTAMP, uint32(clock));
  const window = Buffer.alloc(20); // struct tcp_repair_window
  const max = Math.min(position.receiveWindow, 65_535 * 2 ** (ownScale ?? 0));
  [position.receive, position.sendWindow, Math.max(position.sendWindow, segment), max, position.receive].forEach(
    (value, index) => window.writeUInt32LE(value, 4 * index),
  );
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window);
}

/** Closed, it resets its connection instead of ending it in order. @throws ProxyError */
export function resetOnClose(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_LINGER, Buffer.concat([int32(1), int32(0)]));
}

/** Whether the kernel asks a silent peer if it is there. */
export function hasKeepAlive(fd: number): boolean {
  return getOption(fd, SOL_SOCKET, SO_KEEPALIVE).readInt32LE() !== 0;
}

export function setKeepAlive(fd: number, isWanted: boolean): void {
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, isWanted ? 1 : 0);
}

function readClock(fd: number): number {
  return getOption(fd, IPPROTO_TCP, TCP_TIMESTAMP).readUInt32LE();
}

function readQueue(fd: number, queue: number): number {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
  return getOption(fd, IPPROTO_TCP, TCP_QUEUE_SEQ).readUInt32LE();
}

function writeQueue(fd: number, queue: number, sequence: number): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
  setOption(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, uint32(sequence));
}

/** `struct tcp_repair_opt`: the option's kind as in a SYN, and its value. */
function repairOption(kind: number, value: number): Buffer {
  return Buffer.concat([int32(kind), uint32(value)]);
}

function uint32(value: number): Buffer {
  return int32(value | 0);
}
