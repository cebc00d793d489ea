import { expect } from 'chai';
import type { Message, Netlink } from '../../../../dataplane/kernel/netlink.ts';
import { type ResolvedWay, Routes } from '../../../../dataplane/offload/routes.ts';

// linux/rtnetlink.h
const NEWLINK = 16;
const GETLINK = 18;
const GETROUTE = 26;
const NEWNEIGH = 28;
const DELNEIGH = 29;
const REACHABLE = 2;
const FAILED = 32;
const INTERFACE = 7;
const NEIGHBOUR = Buffer.from([10, 2, 0, 2]);
const MAC = Buffer.from('020000000001', 'hex');

function message(type: number, head: Buffer, attributes: Readonly<Record<number, Buffer>> = {}): Message {
  return { type, head, attribute: (wanted) => attributes[wanted] };
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function neighbour({
  type = NEWNEIGH,
  address = NEIGHBOUR,
  mac = MAC,
  state = REACHABLE,
  ifindex = INTERFACE,
}): Message {
  const head = Buffer.alloc(12); // struct ndmsg
  head.writeInt32LE(ifindex, 4);
  head.writeUInt16LE(state, 8);
  return message(type, head, { 1: address, 2: mac });
}

/** One route, one interface, one neighbour. */
function get(type: number): Message {
  const head = Buffer.alloc(16);
  if (type === GETROUTE) {
    head.writeUInt8(1, 7); // unicast
    return message(type, head, { 4: word(INTERFACE) });
  }
  if (type !== GETLINK) return neighbour({});
  head.writeUInt16LE(1, 2); // Ethernet
  head.writeUInt32LE(1, 8); // up
  return message(type, head, { 1: MAC, 3: Buffer.from('eth0\0'), 4: word(1500) });
}

describe('routes of flows', () => {
  let routes: Routes;
  beforeEach(() => {
    routes = new Routes({ get } as unknown as Netlink);
    const ends = [NEIGHBOUR, NEIGHBOUR].map((bytes) => ({ address: bytes.join('.'), port: 1 }));
    const way = routes.resolve({ transport: 'tcp', local: ends[0]!, remote: ends[1]! });
    expect(way).not.to.have.property('reason');
    routes.hold(way as ResolvedWay);
  });

  const other = Buffer.from([10, 2, 0, 3]);
  const moved = Buffer.from('020000000099', 'hex');
  const cases: readonly (readonly [string, readonly Message[] | undefined, boolean])[] = [
    ['no news', [], false],
    ['news that were too many', undefined, true],
    ['a link', [message(NEWLINK, Buffer.alloc(16))], true],
    ['a neighbour in use, as it was', [neighbour({})], false],
    ['a neighbour in use that has moved', [neighbour({ mac: moved })], true],
    ['a neighbour in use that does not answer', [neighbour({ state: FAILED })], true],
    ['a neighbour in use that is gone', [neighbour({ type: DELNEIGH })], true],
    ['a neighbour that nobody uses', [neighbour({ address: other }), neighbour({ mac: moved, ifindex: 8 })], false],
    ['one of many', [neighbour({ address: other }), neighbour({ mac: moved })], true],
  ];
  for (const [name, news, concerned] of cases) {
    it(`${concerned ? 'are looked up' : 'stay as they are'}: ${name}`, () => {
      expect(routes.concernedBy(news)).to.equal(concerned);
    });
  }
});
