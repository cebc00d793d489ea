/** UDP ports that are kept for sessions to come: nobody is given one by chance, and a socket that asks for its number has it. */
import { bind, close, SOCK_DGRAM, socket } from './libc.ts';
import { AF_INET, AF_INET6, encodeInet } from './sockaddr.ts';

/** The sockets that are bound to each, and never read. */
const held = new Map<number, number[]>();

/** Where somebody else has it already, whoever asks for it later is told so. */
export function holdPort({ address, port }: { readonly address: string; readonly port: number }): void {
  let fd: number | undefined;
  try {
    fd = socket(address.includes(':') ? AF_INET6 : AF_INET, SOCK_DGRAM);
    bind(fd, encodeInet(address, port), `${address} port ${port}`);
    held.set(port, [...(held.get(port) ?? []), fd]);
  } catch {
    if (fd !== undefined) close(fd);
  }
}

/** Of all addresses. */
export function freePort(port: number): void {
  held.get(port)?.forEach(close);
  held.delete(port);
}
