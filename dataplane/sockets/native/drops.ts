/** What the kernel dropped at a socket, since its receive buffer was full. */
import { getOption, SOL_SOCKET } from './libc.ts';

// asm-generic/socket.h
const SO_MEMINFO = 55;

/** Where `sk_drops` stands in what SO_MEMINFO gives, in words (linux/sock_diag.h). */
const SK_MEMINFO_DROPS = 8;

/** Datagrams, or frames, since the socket is there. Asked for when somebody wants to know: it costs what comes nothing. */
export function droppedAt(fd: number): number {
  return getOption(fd, SOL_SOCKET, SO_MEMINFO, 4 * (SK_MEMINFO_DROPS + 1)).readUInt32LE(4 * SK_MEMINFO_DROPS);
}
