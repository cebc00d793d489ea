/** Ports for those who must know theirs before they have it. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Above those of well-known services. */
const START = 12_000;
const END = 65_536;
/** Where fewer are left, those that the kernel hands out are looked at, too. */
const ENOUGH = 1000;

/** From, and up to without: between the look and the use, nobody gets one of these without asking for it. */
export function portsToGive(handedOut: string): readonly [number, number] {
  const [first = START, last = END] = handedOut.trim().split(/\s+/u).map(Number);
  const ranges = [
    [START, first],
    [Math.max(START, last + 1), END],
  ] as const;
  return ranges.find(([from, to]) => to - from >= ENOUGH) ?? [START, END];
}

const [FROM, TO] = portsToGive(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'));

/** Elsewhere in every process, so that test runs beside each other don't meet. */
let last = FROM + Math.floor(Math.random() * (TO - FROM));

/** A port that nobody has, of TCP and of UDP, at any address. */
export async function freePort(): Promise<number> {
  for (let looks = FROM; looks < TO; looks++) {
    last = last + 1 < TO ? last + 1 : FROM;
    if ((await isFreeOfTcp(last)) && (await isFreeOfUdp(last))) return last;
  }
  throw new Error(`expected a free port from ${FROM} up to ${TO}, found none`);
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
