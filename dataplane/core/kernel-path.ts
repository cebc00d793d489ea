/** The way of sessions through the kernel: who has it relay them, and what it has to know of them. */
import type { Listener } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { FlowEnds, FlowTraffic, LeftPair, OffloadRefusal, OffloadView, SessionNote } from './offload.ts';

/** A session, as far as the kernel's way is concerned. */
export interface OffloadableSession {
  /** Unique among sessions. */
  readonly id: number;
  readonly name: string;
  readonly listener: string;
  readonly offloadPolicy: Listener['options']['offload'];
  /** Whether its client is connected: connections are relayed as a whole, and datagrams one by one. */
  readonly clientReliable: boolean;
  /** Bytes a second of late, in both directions. */
  readonly rate: number;
  /**
   * Brings it to where all that was read on one side was written on the other, as the bytes that it came as: whether it is there. To be
   * called until it is. As soon as nothing waits, frames of both sides are left to their ends, for good, whatever becomes of it.
   */
  settle(): boolean;
  /** Both sides as packets see them; or what keeps it in user space. */
  readonly flowEnds: FlowEnds | OffloadRefusal;
  /** Counts in what the kernel has relayed since the last call. Times: as performance.now() gives them. */
  relayed(ingress: FlowTraffic, egress: FlowTraffic, lastSeen: number | undefined, now: number): void;
  /** For its timeline. */
  passesKernel(message: string): void;
  passesUserSpace(message: string): void;
  /** Its connections have ended in the kernel, with an error where that was not in order. Their sockets aren't its own any more. */
  endedInKernel(error?: ProxyError): void;
  /** What another process has to know of it, with all that is counted in. */
  readonly note: SessionNote;
}

/** Has the kernel relay sessions by itself. */
export interface KernelPath {
  /** Whether it may ever relay a connected session, for all that doesn't change while that lives. */
  mayTake(session: OffloadableSession): boolean;
  /** Before sessions are looked at: what the kernel has relayed is counted in, once a second. `now`: as below. */
  sweep(now: number): void;
  /** Counts in at once what it has relayed, where this session is in it. */
  refresh(session: OffloadableSession, now: number): void;
  /** About once a second: the session is connected, and this is what passes user space, in both directions. */
  measured(session: OffloadableSession, packetsPerSecond: number, now: number): void;
  /**
   * Its streams will be closed or replaced: the kernel lets go of it, and what it has relayed is counted in. A promise: that takes a
   * while, in which its streams must be left alone; it never rejects.
   */
  release(session: OffloadableSession): Promise<void> | undefined;
  /**
   * Its packets are to pass user space again, for the reason given: the kernel lets go of it, where that can be. A promise: that takes
   * a while; it gives why it can't be, and never rejects. Undefined: it is done.
   */
  recall(session: OffloadableSession, why: OffloadRefusal): Promise<OffloadRefusal | undefined> | undefined;
  view(session: OffloadableSession): OffloadView;
  /** Undefined: what the kernel relays ends with the process. */
  readonly kept?: KeptSessions | undefined;
}

/** Sessions that the kernel goes on relaying while no process has them. */
export interface KeptSessions {
  /** Those of an earlier process that nobody has taken on yet, with what was relayed until now. */
  left(): readonly LeftPair[];
  /** The session is made of what was left: it is in the kernel, until it is released. */
  resume(session: OffloadableSession, left: LeftPair): void;
  /** It is connected for the first time: what was resumed may not be the kernel's any more. */
  connected(session: OffloadableSession): void;
  /** Nobody takes it on, and why: the kernel lets go of it. */
  drop(left: LeftPair, why: string): void;
  /** The process ends: what the kernel relays of it is left there. False where that is nothing; else it is released. */
  leave(session: OffloadableSession): boolean;
}

/** Says of a session that an earlier process has left that this one ends it. `error`: why. */
export function tellLost(
  log: Logger,
  fields: { readonly session: string; readonly listener: string; readonly error: string },
): void {
  log.warn(fields, 'a session that an earlier process has left in the kernel can not go on');
}
