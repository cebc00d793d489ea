import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { ANY, loadProgram, MapReader, testRun } from '../../../../dataplane/kernel/bpf.ts';
import { FlowTable } from '../../../../dataplane/offload/flow-table.ts';
import { checkLayout, encodeFlow, type Ends, PORTS_SIZE, type Way } from '../../../../dataplane/offload/layout.ts';
import { bindMaps, parseObjectFile } from '../../../../dataplane/kernel/object-file.ts';
import { close } from '../../../../dataplane/sockets/native/libc.ts';
import { changed, ends, udpFrame } from '../../../support/frames.ts';

const PASS = -1;
const UP = 0;
const REDIRECT = 7;
const MTU = 1500;

const object = parseObjectFile(readFileSync('ebpf/udp.bpf.o'));

const FOUR = ends('10.0.0.1', 7000, '10.0.0.2', 5000);
const FOUR_AFTER = ends('192.168.3.4', 40001, '172.16.250.9', 53);
const SIX = ends('2001:db8::1', 7001, '2001:db8::2', 5001);
const SIX_AFTER = ends('2001:db8:1::3', 40002, 'fd00::ffff:4', 53);

describe('the kernel program for UDP, packet by packet', () => {
  let table: FlowTable;
  let program: number;
  const way: Way = {
    ifindex: 1,
    isLoopback: false,
    mtu: MTU,
    ethernet: Buffer.from('0202020202020a0a0a0a0a0a', 'hex'),
  };

  const put = (before: Ends, after: Ends, goesUp = false): number => {
    const flow = encodeFlow(before, after, way, goesUp);
    const slot = table.add(flow) ?? -1;
    expect(table.publish(flow, slot)).to.equal(0);
    return slot;
  };

  beforeEach(() => {
    table = new FlowTable(16);
    program = loadProgram('relay', bindMaps(object.program('tc/relay'), table.maps));
  });
  afterEach(() => {
    close(program);
    table.close();
  });

  it('shares its layouts with us', () => {
    checkLayout(object.section('.layout'));
    const other = Buffer.from(object.section('.layout'));
    other.writeUInt32LE(44, 0);
    expect(() => checkLayout(other)).to.throw('layouts of ebpf/flow.h: expected 40 0 1');
  });

  const payloads = [Buffer.alloc(0), Buffer.from('odd'), Buffer.alloc(1400, 0xff), Buffer.from('c0ffee00', 'hex')];
  for (const [name, before, after] of [
    ['IPv4', FOUR, FOUR_AFTER],
    ['IPv6', SIX, SIX_AFTER],
    ['IPv4 to IPv6', FOUR, SIX_AFTER],
    ['IPv6 to IPv4', SIX, FOUR_AFTER],
  ] as const) {
    it(`rewrites ${name}: the packet is as if it were made anew`, () => {
      const slot = put(before, after);
      for (const payload of payloads) {
        for (const tos of [0, 3, 0xb8]) {
          const result = testRun(program, udpFrame(before, { payload, tos }));
          expect(result.verdict).to.equal(REDIRECT);
          const expected = udpFrame(after, { payload, tos, ttl: 63, macs: way.ethernet });
          expect(result.packet.toString('hex')).to.equal(expected.toString('hex'));
        }
      }
      const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
      expect(table.count(slot)).to.include({ packets: 3 * payloads.length, bytes: 3 * bytes });
      expect(table.count(slot).lastSeen).to.be.within(
        Number(process.hrtime.bigint()) - 1e9,
        Number(process.hrtime.bigint()),
      );
    });
  }

  it('keeps the rest of an IPv4 header: id, a missing checksum', () => {
    put(FOUR, FOUR_AFTER, true);
    const { verdict, packet } = testRun(program, udpFrame(FOUR, { noCheck: true }));
    expect(verdict).to.equal(UP);
    expect(packet.subarray(14).equals(udpFrame(FOUR_AFTER, { noCheck: true, ttl: 63 }).subarray(14))).to.equal(true);
  });

  it('never makes a checksum zero, which would say that there is none', () => {
    put(FOUR, FOUR_AFTER);
    for (let value = 0; value < 0x10000; value += 1) {
      const payload = Buffer.alloc(2);
      payload.writeUInt16BE(value);
      const expected = udpFrame(FOUR_AFTER, { payload, ttl: 63 });
      if (expected.readUInt16BE(40) !== 0xffff) continue;
      expect(testRun(program, udpFrame(FOUR, { payload })).packet.readUInt16BE(40)).to.equal(0xffff);
    }
  });

  it('knows the ports of flows as long as there is one of each', () => {
    const made = (before: Ends): { packet: Buffer; flow: Buffer } => ({
      packet: udpFrame(before),
      flow: encodeFlow(before, FOUR_AFTER, way, false),
    });
    const one = made(FOUR);
    const two = made({ ...FOUR, source: { address: '10.0.0.1', port: 7009 } });
    const elsewhere = made({ ...FOUR, destination: { address: '10.0.0.2', port: 5007 } });
    const relayed = (): number[] => [one, two, elsewhere].map((it) => testRun(program, it.packet).verdict);
    const slots = [one, two, elsewhere].map((it) => table.add(it.flow)!);
    expect(table.publish(one.flow, slots[0]!)).to.equal(0);
    // It is there already.
    expect(table.publish(one.flow, slots[1]!)).to.be.below(0);
    expect(table.publish(two.flow, slots[1]!)).to.equal(0);
    expect(table.publish(elsewhere.flow, slots[2]!)).to.equal(0);
    expect(relayed()).to.deep.equal([REDIRECT, REDIRECT, REDIRECT]);
    table.withdraw(one.flow);
    table.withdraw(one.flow);
    expect(relayed()).to.deep.equal([PASS, REDIRECT, REDIRECT]);
    expect(table.publish(two.flow, slots[1]!, ANY)).to.equal(0);
    table.withdraw(two.flow);
    const ports = new MapReader(table.maps.ports, 4, PORTS_SIZE).get(0)!;
    const place = Buffer.alloc(2);
    place.writeUInt16BE(5007);
    const raw = place.readUInt16LE();
    expect(ports.reduce((sum, byte) => sum + byte, 0)).to.equal(1 << (raw & 7));
    expect(ports.readUInt8(raw >> 3)).to.equal(1 << (raw & 7));
    expect(relayed()).to.deep.equal([PASS, PASS, REDIRECT]);
  });

  const four = udpFrame(FOUR);
  const six = udpFrame(SIX);
  const misses: Readonly<Record<string, Buffer>> = {
    'another port': udpFrame({ ...FOUR, source: { address: '10.0.0.1', port: 7002 } }),
    'another address': udpFrame({ ...SIX, source: { address: '2001:db8::11', port: 7001 } }),
    'the way back': udpFrame({ source: FOUR.destination, destination: FOUR.source }),
    'a TTL that ends here': udpFrame(FOUR, { ttl: 1 }),
    'a hop limit that ends here': udpFrame(SIX, { ttl: 1 }),
    'a first fragment': changed(four, (copy) => copy.writeUInt16BE(0x2000, 20)),
    'a later fragment': changed(four, (copy) => copy.writeUInt16BE(0x0010, 20)),
    'a reserved flag': changed(four, (copy) => copy.writeUInt16BE(0xc000, 20)),
    'IP options': changed(four, (copy) => copy.writeUInt8(0x46, 14)),
    TCP: changed(four, (copy) => copy.writeUInt8(6, 23)),
    'an IPv6 extension header': changed(six, (copy) => copy.writeUInt8(0, 20)),
    'another IP version': changed(six, (copy) => copy.writeUInt8(0x50, 14)),
    'IPv6 without checksum': changed(six, (copy) => copy.writeUInt16BE(0, 60)),
    'a UDP length that is not the packet’s': changed(four, (copy) => copy.writeUInt16BE(14, 38)),
    'a UDP length below a header': changed(six, (copy) => copy.writeUInt16BE(7, 58)),
    'a length beyond the frame': changed(four, (copy) => {
      copy.writeUInt16BE(100, 16);
      copy.writeUInt16BE(80, 38);
    }),
    'more than the MTU': udpFrame(FOUR, { payload: Buffer.alloc(MTU - 27) }),
    'more than the MTU, IPv6': udpFrame(SIX, { payload: Buffer.alloc(MTU - 47) }),
    'a frame for another station': changed(four, (copy) => copy.writeUInt8(2, 5)),
    'a VLAN tag': Buffer.concat([four.subarray(0, 12), Buffer.from([0x81, 0, 0, 100]), four.subarray(12)]),
    ARP: Buffer.concat([Buffer.alloc(12), Buffer.from([8, 6]), Buffer.alloc(46)]),
  };
  for (const [name, packet] of Object.entries(misses)) {
    it(`passes untouched: ${name}`, () => {
      put(FOUR, FOUR_AFTER);
      put(SIX, SIX_AFTER);
      const result = testRun(program, packet);
      expect(result.verdict).to.equal(PASS);
      expect(result.packet.equals(packet)).to.equal(true);
    });
  }

  it('passes IPv4 without checksum where IPv6 wants one', () => {
    put(FOUR, SIX_AFTER);
    expect(testRun(program, udpFrame(FOUR, { noCheck: true })).verdict).to.equal(PASS);
  });

  it('takes what fits the MTU just so', () => {
    put(FOUR, FOUR_AFTER);
    expect(testRun(program, udpFrame(FOUR, { payload: Buffer.alloc(MTU - 28) })).verdict).to.equal(REDIRECT);
  });

  it('passes what a hash led to the flow of others', () => {
    const [mine, other] = [encodeFlow(FOUR, FOUR_AFTER, way, false), encodeFlow(SIX, SIX_AFTER, way, false)];
    expect(table.publish(mine, table.add(other) ?? -1)).to.equal(0);
    expect(testRun(program, four).verdict).to.equal(PASS);
  });

  it('passes packets of a flow that is gone', () => {
    put(FOUR, FOUR_AFTER);
    table.withdraw(encodeFlow(FOUR, FOUR_AFTER, way, false));
    expect(testRun(program, four).verdict).to.equal(PASS);
  });

  it('changes nothing of 100,000 mutated packets that is not a flow’s', () => {
    put(FOUR, FOUR_AFTER);
    put(SIX, SIX_AFTER);
    let seed = 42;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    let taken = 0;
    for (let run = 0; run < 100_000; run++) {
      const original = run % 2 === 0 ? four : six;
      const packet = Buffer.from(original.subarray(0, original.length - random(8)));
      for (let count = random(4); count >= 0; count--) packet.writeUInt8(random(256), random(packet.length));
      const { verdict, packet: result } = testRun(program, packet);
      if (verdict === PASS) {
        expect(result.equals(packet)).to.equal(true);
        continue;
      }
      taken++;
      const [address, port, ports] = run % 2 === 0 ? [26, 34, 38] : [22, 54, 58];
      expect(verdict).to.equal(REDIRECT);
      expect(packet.subarray(address, ports).equals(original.subarray(address, ports))).to.equal(true);
      expect(packet.subarray(0, 6).equals(Buffer.alloc(6))).to.equal(true);
      expect(result.subarray(port + 8).equals(packet.subarray(port + 8))).to.equal(true);
    }
    expect(taken).to.be.above(1000);
  });
});
