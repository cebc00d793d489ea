/** What a socket holds of what has come, and what the kernel dropped at it. */
import { getOption, SOL_SOCKET } from './libc.ts';

// asm-generic/socket.h
const SO_MEMINFO = 55;

/** Where they stand in what SO_MEMINFO gives, in words (linux/sock_diag.h). */
const SK_MEMINFO_RMEM_ALLOC = 0;
const SK_MEMINFO_DROPS = 8;

/**
 * Memory of what waits, also of what came out of order, in bytes; and packets, datagrams or frames dropped since the socket is
 * there. Asked for when somebody wants to know: it costs what comes nothing.
 */
export function receiveMemory(fd: number): { readonly held: number; readonly drops: number } {
  const info = getOption(fd, SOL_SOCKET, SO_MEMINFO, 4 * (SK_MEMINFO_DROPS + 1));
  return { held: info.readUInt32LE(4 * SK_MEMINFO_RMEM_ALLOC), drops: info.readUInt32LE(4 * SK_MEMINFO_DROPS) };
}
