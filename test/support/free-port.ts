/** Ports for those who must know theirs before they have it. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Below those that the kernel hands out: between the look and the use, nobody gets one of these without asking for it. */
const END = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
/** Above those of well-known services. */
const START = 12_000;

/** Elsewhere in every process, so that test runs beside each other don't meet. */
let last = START + Math.floor(Math.random() * (END - START));

/** A port that nobody has, of TCP and of UDP, at any address. */
export async function freePort(): Promise<number> {
  for (let looks = START; looks < END; looks++) {
    last = last + 1 < END ? last + 1 : START;
    if ((await isFreeOfTcp(last)) && (await isFreeOfUdp(last))) return last;
  }
  throw new Error(`expected a free port from ${START} up to ${END}, found none`);
}

function isFreeOfTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '::', () => server.close(() => resolve(true)));
  });
}

function isFreeOfUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp6');
    socket.once('error', () => socket.close(() => resolve(false)));
    socket.bind(port, '::', () => socket.close(() => resolve(true)));
  });
}
