/** What is to leave a socket: gathered until the event loop's phase is over, and sent with as few system calls as it takes. */
import { ProxyError } from '../../../common/errors.ts';
import { EAGAIN, EINTR, EMSGSIZE, EPOLLOUT, systemError } from '../../sockets/native/libc.ts';
import { type Watch, watch } from '../../sockets/native/poller.ts';
import { SendBatch } from '../../sockets/native/send-batch.ts';
import type { Sender, Writer } from './socket.ts';

/** Bytes that are gathered before they are sent without waiting for the end of the phase. */
const GATHERED = 256 * 1024;

/** No UDP datagram is larger, in bytes: its length is 16 bits (RFC 768). */
const MAX_DATAGRAM = 65_535;

/** The largest datagrams that travel in trains: they fit Ethernet with the headers of IPv6. */
const LARGEST_SEGMENT = 1452;

// Errors with which the kernel refuses a train: a device without checksums, a path whose MTU is smaller.
const EIO = 5;
const EINVAL = 22;

const batch = new SendBatch();

/** Whose datagrams the messages of the batch are. */
const owners: OutboxSender[] = [];

/** Those with something to send in this phase. */
let due: Outbox[] = [];

function sendAll(): void {
  const outboxes = due;
  due = [];
  for (const outbox of outboxes) outbox.flush();
}

interface Failure {
  readonly writer: Writer;
  readonly error: ProxyError;
}

function tell(failures: readonly Failure[]): void {
  for (const { writer, error } of failures) writer.failed(error);
}

/**
 * ```
 *   idle ──send──▶ due (flushed by nextTick) ──all taken──▶ idle
 *                     │ EAGAIN
 *                     └──▶ blocked (watched for EPOLLOUT; senders are told to wait) ──writable──▶ idle, senders drained
 * ```
 */
export class Outbox {
  /** Senders with datagrams that wait. */
  private readonly busy = new Set<OutboxSender>();
  /** Those that were asked to wait. */
  private readonly held = new Set<OutboxSender>();
  private readonly fd: number;
  private gathered = 0;
  private isDue = false;
  private blocked = false;
  private closed = false;
  private largestSegment = LARGEST_SEGMENT;
  private watch: Watch | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** `name`: the peer's `struct sockaddr`; none for a connected socket. */
  sender(writer: Writer, name?: Buffer): Sender {
    return new OutboxSender(this, writer, name);
  }

  /** A sender has one datagram more, of this many bytes. False: it is asked to wait. */
  add(sender: OutboxSender, bytes: number): boolean {
    if (this.closed) return true;
    if (sender.waiting.length === 1) this.busy.add(sender);
    this.gathered += bytes;
    if (this.gathered >= GATHERED) this.flush();
    else this.schedule();
    const hasRoom = this.hasRoom();
    if (!hasRoom) this.held.add(sender);
    return hasRoom;
  }

  private hasRoom(): boolean {
    return !this.blocked && !this.closed;
  }

  private schedule(): void {
    if (this.isDue || this.blocked) return;
    this.isDue = true;
    if (due.push(this) === 1) process.nextTick(sendAll);
  }

  leave(sender: OutboxSender): void {
    this.held.delete(sender);
  }

  flush(): void {
    this.isDue = false;
    if (!this.hasRoom()) return;
    const failures: Failure[] = [];
    while (this.fill() && this.hasRoom()) this.submit(failures);
    if (this.hasRoom()) this.gathered = 0;
    // Not at once: a writer may be in `send` now.
    if (failures.length > 0) process.nextTick(tell, failures);
  }

  /** Whether there is anything to send. */
  private fill(): boolean {
    batch.clear();
    for (const sender of this.busy) {
      const { waiting, name, nameLength } = sender;
      let next = sender.sent;
      while (next < waiting.length) {
        const index = batch.count;
        const taken = batch.add(waiting, next, name, nameLength, this.largestSegment);
        if (taken === 0) return true;
        owners[index] = sender;
        next += taken;
      }
    }
    return batch.count > 0;
  }

  private submit(failures: Failure[]): void {
    for (let index = 0; index < batch.count;) {
      const result = batch.send(this.fd, index);
      for (const end = index + result; index < end; index++) this.taken(index);
      if (result >= 0 || result === -EINTR) continue;
      if (result === -EAGAIN && this.block()) return;
      if (batch.segmentsOf(index) > 1 && this.shortens(-result, batch.sizeOf(index))) return;
      const owner = owners[index];
      if (owner) failures.push({ writer: owner.writer, error: systemError('send', -result, 'PEER_RESET') });
      this.taken(index++);
    }
  }

  /** A train that the kernel refuses is sent again, in single datagrams. */
  private shortens(errno: number, size: number): boolean {
    if (errno !== EIO && errno !== EINVAL && errno !== EMSGSIZE) return false;
    this.largestSegment = errno === EIO ? 0 : size - 1;
    return true;
  }

  private taken(index: number): void {
    const sender = owners[index];
    if (sender?.advance(batch.segmentsOf(index))) this.busy.delete(sender);
  }

  /** False where there are no descriptors left to wait with. */
  private block(): boolean {
    try {
      this.watch ??= watch(this.fd, this.onWritable);
      this.watch.want(EPOLLOUT);
      this.blocked = true;
    } catch {
      this.blocked = false;
    }
    return this.blocked;
  }

  private readonly onWritable = (): void => {
    this.watch?.rest();
    this.blocked = false;
    this.flush();
    const held = [...this.held];
    for (const sender of held) {
      if (!this.hasRoom()) return;
      if (this.held.delete(sender)) sender.writer.drained();
    }
  };

  /** Before the descriptor is closed. */
  close(): void {
    if (this.closed) return;
    this.flush();
    this.closed = true;
    this.watch?.close();
    this.busy.clear();
    this.held.clear();
  }
}

class OutboxSender implements Sender {
  readonly writer: Writer;
  readonly name = new Uint32Array(7); // struct sockaddr_in6
  readonly nameLength: number;
  readonly waiting: Buffer[] = [];
  /** How many of those that wait have left meanwhile. */
  sent = 0;
  private readonly outbox: Outbox;

  constructor(outbox: Outbox, writer: Writer, name: Buffer | undefined) {
    this.outbox = outbox;
    this.writer = writer;
    this.nameLength = name?.length ?? 0;
    name?.copy(new Uint8Array(this.name.buffer));
  }

  send(datagram: Buffer): boolean {
    if (datagram.length > MAX_DATAGRAM) {
      const found = `expected a datagram of at most ${MAX_DATAGRAM} bytes, found ${datagram.length}`;
      this.writer.failed(new ProxyError('TOO_LARGE', found));
      return true;
    }
    this.waiting.push(datagram);
    return this.outbox.add(this, datagram.length);
  }

  /** So many have left. Whether none waits. */
  advance(count: number): boolean {
    this.sent += count;
    if (this.sent < this.waiting.length) return false;
    this.waiting.length = 0;
    this.sent = 0;
    return true;
  }

  close(): void {
    this.outbox.leave(this);
  }
}
