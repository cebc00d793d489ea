/** Opens UDP sockets: by system calls, which carry many datagrams at a time, where they can be made; else with node:dgram. */
import type { OpenSocket } from './socket.ts';

export const openSocket: OpenSocket = await choose();

async function choose(): Promise<OpenSocket> {
  try {
    return (await import('./native-socket.ts')).openNativeSocket;
  } catch {
    // No koffi for this platform, or a platform whose structures are others.
    return (await import('./plain-socket.ts')).openPlainSocket;
  }
}
