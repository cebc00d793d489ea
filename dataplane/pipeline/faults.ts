/** Faults that are made on purpose: which of them a session gets. */
import type { Fault, FaultDrop } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import { Answered, TEXT } from '../core/answer.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import { reasonOf } from '../core/status.ts';
import type { Gate } from './link.ts';

/** What happens to one session. */
export interface Faults {
  /** ms that it waits before it is connected; 0 is not at all. */
  readonly delay: number;
  /** What it ends with, after that. */
  readonly abort: ProxyError | undefined;
}

/** `random` is from 0 up to 1. */
export function drawFaults({ delay, abort }: Fault, random: () => number = Math.random): Faults {
  const happens = (percent: number): boolean => random() * 100 < percent;
  return {
    delay: delay && happens(delay.percent) ? delay.duration : 0,
    abort: abort && happens(abort.percent) ? abortion(abort.status) : undefined,
  };
}

function abortion(status: number): ProxyError {
  const why = `the route's fault.abort, with ${status}`;
  const body = `${reasonOf(status)}: FAULT_INJECTED\n`;
  return new Answered({ status, headers: ['content-type', TEXT], body }, why, 'FAULT_INJECTED');
}

/** Loses some datagrams. */
export class DropGate implements Gate {
  readonly keepsOut: OffloadRefusal = {
    reason: 'fault',
    message: 'expected no datagrams to be lost on purpose, found fault.drop',
  };
  private readonly share: number;

  constructor({ percent }: FaultDrop) {
    this.share = percent / 100;
  }

  pass(): boolean {
    return Math.random() >= this.share;
  }

  close(): void {
    // It holds nothing.
  }
}
