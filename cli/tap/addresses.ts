/** The addresses and ports of a session's packets: its own where it has such, and stand-ins where it doesn't. */
import { isIP } from 'node:net';
import type { EndRecordAddress, EndsRecord, SessionRecord } from '../../dataplane/taps/records.ts';
import type { Endpoints } from './packets.ts';

/** Of a network that is for documentation (RFC 5737): the one who began, and the other. */
const STAND_INS = { from: '192.0.2.1', to: '192.0.2.2' } as const;

/** What a server without a port has. No protocol is at home there. */
const STAND_IN_PORT = 65_535;

/** Ports of protocols over TLS, and without: Wireshark takes for TLS what it finds at the former, and TLS is off here. */
const PLAIN_PORTS: Readonly<Record<number, number>> = {
  443: 80,
  465: 25,
  636: 389,
  853: 53,
  989: 20,
  990: 21,
  992: 23,
  993: 143,
  994: 194,
  995: 110,
  5061: 5060,
  5671: 5672,
  8443: 8080,
  8883: 1883,
};

/** Ports that stand in, from here up. */
const FIRST_PORT = 1024;

export interface Chosen {
  /** As the one who began sends. */
  readonly ends: Endpoints;
  /** What is not as it was, for people. */
  readonly notes: readonly string[];
}

/** Gives each session a pair of ends that no other has at the same time. */
export class Addresses {
  private readonly taken = new Map<string, number>();
  private readonly keys = new Map<number, string>();

  choose({ id, ends }: SessionRecord): Chosen {
    const notes: string[] = [];
    const from = endOf(ends, 'from', FIRST_PORT + (id % (STAND_IN_PORT - FIRST_PORT)), notes);
    const to = endOf(ends, 'to', STAND_IN_PORT, notes);
    const plain = ends.bare ? undefined : PLAIN_PORTS[to.port];
    if (plain !== undefined) notes.push(`port ${plain} stands in for ${to.port}, as TLS is taken off`);
    const destination = { address: to.address, port: plain ?? to.port };
    const [source, target] = sameFamily(from, destination);
    const free = this.takeFree(id, ends.transport, source, target);
    if (free !== source.port) {
      notes.push(`port ${free} stands in for ${source.port}, which another session on the same connection has`);
    }
    return { ends: { source: { ...source, port: free }, destination: target }, notes };
  }

  /** The session is over. */
  release(id: number): void {
    this.taken.delete(this.keys.get(id) ?? '');
    this.keys.delete(id);
  }

  /** The first port from the session's own on that no other session has towards the same end. */
  private takeFree(id: number, transport: string, source: EndRecordAddress, target: EndRecordAddress): number {
    const keyOf = (port: number): string => [transport, source.address, port, target.address, target.port].join(' ');
    let { port } = source;
    // Sessions of a whole range of ports: two of them share the last.
    for (let tries = 0; tries < STAND_IN_PORT && this.taken.has(keyOf(port)); tries++) {
      port = port >= STAND_IN_PORT ? FIRST_PORT : port + 1;
    }
    this.taken.set(keyOf(port), id);
    this.keys.set(id, keyOf(port));
    return port;
  }
}

function endOf(ends: EndsRecord, end: 'from' | 'to', standInPort: number, notes: string[]): EndRecordAddress {
  const { address = '', port = 0 } = ends[end] ?? {};
  // A zone is none of the packet's.
  const bare = address.replace(/%.*$/u, '');
  if (isIP(bare) !== 0) return { address: bare, port: port || standInPort };
  const standIn = { address: STAND_INS[end], port: standInPort };
  notes.push(`${standIn.address} stands in for ${address || (end === 'from' ? 'who began it' : 'where it goes')}`);
  return standIn;
}

/** An IPv4 address beside an IPv6 one is written as the latter (RFC 4291, section 2.5.5.2). */
function sameFamily(one: EndRecordAddress, other: EndRecordAddress): [EndRecordAddress, EndRecordAddress] {
  if (isIP(one.address) === isIP(other.address)) return [one, other];
  const mapped = (end: EndRecordAddress): EndRecordAddress =>
    isIP(end.address) === 4 ? { ...end, address: `::ffff:${end.address}` } : end;
  return [mapped(one), mapped(other)];
}
