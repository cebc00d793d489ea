/**
 * Readiness of descriptors that libuv doesn't know: one epoll for the process, waited on by one thread of the pool.
 *
 * ```
 *   first watch ──▶ waiting (a pool thread is in epoll_wait) ──events──▶ busy: polled each turn of the event loop
 *                      ▲                                                  │
 *                      └───────────────── a turn without events ──────────┘        last watch gone ──▶ closed
 * ```
 *
 * It is level-triggered: what a handler leaves unread is told again, one turn later. A watch may change while the
 * thread waits (epoll_ctl(2) allows it). While there are watches the process stays alive.
 */
import {
  close,
  epollControl,
  epollCreate,
  epollPoll,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  epollWait,
  eventCounter,
  read,
  write,
} from './libc.ts';

/** `struct epoll_event` is packed on x86-64 alone (uapi/linux/eventpoll.h). */
export const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;

/** Events taken at once. */
const BATCH = 128;

/** The token of the wake-up counter. */
const WAKE = 0;

/** Told what a descriptor is ready for: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. */
export type OnReady = (events: number) => void;

/** Interest in one descriptor. It begins with none. */
export interface Watch {
  /** Asks for these events, and, as epoll always does, for EPOLLERR and EPOLLHUP: 0 asks for those alone. */
  want(events: number): void;
  /** Asks for nothing, so that nothing is told whatever happens. */
  rest(): void;
  /** Before the descriptor is closed. */
  close(): void;
}

let poller: Poller | undefined;

/** @throws ProxyError where there are no descriptors left. */
export function watch(fd: number, onReady: OnReady): Watch {
  poller ??= new Poller();
  return new FdWatch(poller, fd, onReady);
}

class FdWatch implements Watch {
  readonly token: number;
  private readonly onReady: OnReady;
  private readonly poller: Poller;
  private readonly fd: number;
  /** What epoll was asked for; -1 is nothing. */
  private asked = -1;
  private closed = false;

  constructor(poller: Poller, fd: number, onReady: OnReady) {
    this.poller = poller;
    this.fd = fd;
    this.onReady = onReady;
    this.token = poller.add(this);
  }

  want(events: number): void {
    if (this.closed || this.asked === events) return;
    this.poller.control(this.asked < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, this.fd, events, this.token);
    this.asked = events;
  }

  rest(): void {
    if (this.closed || this.asked < 0) return;
    this.poller.control(EPOLL_CTL_DEL, this.fd, 0, this.token);
    this.asked = -1;
  }

  /** The waiting thread may have been told of what isn't asked for any more. */
  tell(events: number): void {
    if (this.asked < 0) return;
    const wanted = events & (this.asked | EPOLLERR | EPOLLHUP);
    if (wanted !== 0) this.onReady(wanted);
  }

  close(): void {
    if (this.closed) return;
    this.rest();
    this.closed = true;
    this.poller.remove(this.token);
  }
}

class Poller {
  private readonly epoll = epollCreate();
  private readonly counter: number;
  /** The waiting thread writes here: it lives as long as the poller. */
  private readonly events = Buffer.alloc(BATCH * EVENT_SIZE);
  private readonly change = Buffer.alloc(EVENT_SIZE);
  private readonly watches = new Map<number, FdWatch>();
  private lastToken = WAKE;
  private waiting = false;

  constructor() {
    try {
      this.counter = eventCounter();
    } catch (error) {
      close(this.epoll);
      throw error;
    }
    this.control(EPOLL_CTL_ADD, this.counter, EPOLLIN, WAKE);
    // The process waits for the pool's threads when it exits: one that waits for events would keep it forever.
    process.on('exit', this.wake);
    this.wait();
  }

  /** Tokens, not descriptors, name watches: a descriptor that was closed and is used anew hears nothing of the old one. */
  add(watch: FdWatch): number {
    do this.lastToken = (this.lastToken + 1) >>> 0;
    while (this.lastToken === WAKE || this.watches.has(this.lastToken));
    this.watches.set(this.lastToken, watch);
    return this.lastToken;
  }

  remove(token: number): void {
    this.watches.delete(token);
    if (this.watches.size === 0 && this.waiting) this.wake();
  }

  control(operation: number, fd: number, events: number, token: number): void {
    this.change.writeUInt32LE(events, 0);
    this.change.writeUInt32LE(token, DATA_OFFSET);
    epollControl(this.epoll, operation, fd, this.change);
  }

  private readonly wake = (): void => {
    const one = Buffer.alloc(8);
    one.writeUInt8(1);
    write(this.counter, one);
  };

  private wait(): void {
    this.waiting = true;
    epollWait(this.epoll, this.events, BATCH, this.onWaited);
  }

  private readonly onWaited = (count: number): void => {
    this.waiting = false;
    this.turn(count);
  };

  private readonly onTurn = (): void => {
    this.turn(epollPoll(this.epoll, this.events, BATCH));
  };

  private turn(count: number): void {
    try {
      for (let index = 0; index < count; index++) {
        const at = index * EVENT_SIZE;
        const token = this.events.readUInt32LE(at + DATA_OFFSET);
        // One that an earlier event of this batch closed isn't there any more.
        if (token === WAKE) read(this.counter, Buffer.alloc(8));
        else this.watches.get(token)?.tell(this.events.readUInt32LE(at));
      }
    } finally {
      if (this.watches.size === 0) this.close();
      // Under load a poll each turn is far cheaper than a trip through the thread.
      else if (count > 0) setImmediate(this.onTurn);
      else this.wait();
    }
  }

  private close(): void {
    process.off('exit', this.wake);
    close(this.epoll);
    close(this.counter);
    if (poller === this) poller = undefined;
  }
}
