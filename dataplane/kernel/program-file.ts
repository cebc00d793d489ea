/** The kernel's programs as they are shipped, and why they can't be had where that is so. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { ProxyError } from '../../common/errors.ts';
import type { OffloadRefusal } from '../core/offload.ts';

/** What the kernel, or whoever limits the process, says to calls that it does not have, or allow. */
const LACKS: readonly (number | undefined)[] = [
  constants.errno.EPERM,
  constants.errno.ENOSYS,
  constants.errno.EINVAL,
  constants.errno.EOPNOTSUPP,
];

/** What is needed is said where it is not there; other failures speak for themselves. */
export function refusalOf(error: unknown, what: string): OffloadRefusal {
  const { code, message, cause } = ProxyError.from(error);
  if (LACKS.includes((cause as { errno?: number } | undefined)?.errno)) {
    const needs = `needs Linux 5.16, CAP_BPF and CAP_NET_ADMIN`;
    return { reason: 'unsupported', message: `${what} ${needs}: ${message}` };
  }
  return { reason: code === 'UNSUPPORTED' ? 'unsupported' : 'error', message };
}

/** It is beside the sources, and beside what they are built to. */
export function readObject(name: 'udp' | 'tcp' | 'capture'): Buffer {
  const places = [2, 3, 4].map((levels) => new URL(`${'../'.repeat(levels)}ebpf/${name}.bpf.o`, import.meta.url));
  for (const place of places) {
    try {
      return readFileSync(place);
    } catch {
      // the next
    }
  }
  throw new ProxyError('NOT_FOUND', `expected ebpf/${name}.bpf.o beside the sources, found none: ${places.join(' ')}`);
}
