/** One of the two connections that are spliced: a socket of Node.js, and what the kernel has of it. */
import type { Socket } from 'node:net';
import type { Flow } from '../core/offload.ts';
import { receiveMemory } from '../sockets/native/receive-memory.ts';
import {
  type ConnectionInfo,
  connectionInfo,
  enterRepair,
  type FoundPosition,
  hasKeepAlive,
  type Intake,
  leaveRepair,
  peerMaxSegment,
  type Position,
  readPosition,
  resetOnClose,
  restore,
  resume,
  setIntake,
  setKeepAlive,
  unackedBytes,
  unreadBytes,
  unsentBytes,
} from '../sockets/native/tcp-repair.ts';

/** What `net` has of a connection. */
interface Handle {
  readonly fd: number;
}

export class Leg {
  readonly socket: Socket;
  readonly flow: Flow;
  /** It asked whether its peer is there until it was parked. */
  private hadKeepAlive = false;
  private intake: Intake = 'all';

  constructor(socket: Socket, flow: Flow) {
    this.socket = socket;
    this.flow = flow;
  }

  /** Undefined where it is closed. */
  private get handle(): Handle | undefined {
    const handle = Reflect.get(this.socket, '_handle') as Handle | null | undefined;
    return handle && handle.fd >= 0 ? handle : undefined;
  }

  private get fd(): number {
    return this.handle?.fd ?? -1;
  }

  /** Undefined where it isn't open and established any more. */
  get info(): ConnectionInfo | undefined {
    if (!this.handle || this.socket.destroyed || this.socket.writableEnded || this.socket.readableEnded)
      return undefined;
    const info = connectionInfo(this.fd);
    return info.isEstablished ? info : undefined;
  }

  /** Payload of segments that its peer takes, at most. @throws ProxyError */
  get peerMaxSegment(): number {
    return peerMaxSegment(this.fd);
  }

  /**
   * Whether everything was sent, and the peer has it but for one segment at most. Such a segment is acknowledged late (delayed
   * acknowledgements), and where it is lost, the socket sends it again, also parked; of more it would send the first alone.
   */
  get isSent(): boolean {
    return this.socket.writableLength === 0 && unsentBytes(this.fd) === 0 && (this.info?.unacked ?? 0) <= 1;
  }

  /** Whether nothing waits, on no side and at no level; neither what came out of order. */
  get isQuiet(): boolean {
    return this.isSent && this.unread === 0 && receiveMemory(this.fd).held === 0;
  }

  /** Bytes that have come from its peer, and wait to be read. */
  get unread(): number {
    return unreadBytes(this.fd) + this.socket.readableLength;
  }

  /** Bytes that were written, and that its peer doesn't have yet. */
  get unsent(): number {
    return unackedBytes(this.fd) + this.socket.writableLength;
  }

  /** What the peer sends is cut off, and has to come again; what it acknowledges counts. */
  freeze(): void {
    this.take('headers');
  }

  thaw(): void {
    if (this.handle) this.take('all');
  }

  /** Where it stands; from here on nothing is sent. @throws ProxyError */
  halt(): FoundPosition {
    enterRepair(this.fd);
    return readPosition(this.fd);
  }

  /** Halted, or parked, it goes on where it stands. */
  unhalt(): void {
    if (!this.handle) return;
    this.keepAlive();
    leaveRepair(this.fd);
  }

  /** Its peer was told of no window: while its way is `widen`, it is told of what there is. */
  widen(): void {
    if (!this.handle) return;
    enterRepair(this.fd);
    resume(this.fd);
  }

  /** Halted, it is kept for its port: whatever reaches it is dropped. */
  park(): void {
    this.take('nothing');
    this.hadKeepAlive = hasKeepAlive(this.fd);
    if (this.hadKeepAlive) setKeepAlive(this.fd, false);
  }

  /**
   * Parked, it asks its peer for a word: an acknowledgement, with a window, that the other end is waiting for. In repair it says
   * nothing, so it leaves that for a moment.
   */
  ask(): void {
    resume(this.fd);
    enterRepair(this.fd);
  }

  /** Packets that reached it while it was parked. */
  get drops(): number {
    return this.handle ? receiveMemory(this.fd).drops : 0;
  }

  /** Parked, it forgets what its peer has acknowledged elsewhere. @throws ProxyError */
  forget(position: Position): void {
    if (unackedBytes(this.fd) > 0) restore(this.fd, position);
  }

  /** Parked, it is put elsewhere; then `wake`. @throws ProxyError */
  move(position: Position): void {
    restore(this.fd, position);
  }

  /** Moved, it goes on; its peer is told of a window where its way is `widen`. @throws ProxyError */
  wake(): void {
    this.keepAlive();
    this.take('all');
    resume(this.fd);
  }

  /** Parked, it is put elsewhere, from where its peer is told by a reset when it is closed. @throws ProxyError */
  cut(position: Position): void {
    restore(this.fd, position);
    resetOnClose(this.fd);
    leaveRepair(this.fd);
  }

  private keepAlive(): void {
    if (this.hadKeepAlive) setKeepAlive(this.fd, true);
    this.hadKeepAlive = false;
  }

  private take(intake: Intake): void {
    if (intake !== this.intake) setIntake(this.fd, intake);
    this.intake = intake;
  }
}
