import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { loadProgram, testRun } from '../../../../dataplane/kernel/bpf.ts';
import {
  checkLayout,
  checkStreamLayout,
  encodeFlow,
  encodeStream,
  type Ends,
  type Half,
  HALF_FLAG,
  type StreamWay,
  type Way,
} from '../../../../dataplane/offload/layout.ts';
import { bindMaps, parseObjectFile } from '../../../../dataplane/kernel/object-file.ts';
import { StreamTable } from '../../../../dataplane/offload/stream-table.ts';
import { close } from '../../../../dataplane/sockets/native/libc.ts';
import { changed, checksum, ends, ipFrame, pseudoHeader } from '../../../support/frames.ts';
import {
  ACK,
  ECE,
  FIN,
  type Option,
  PSH,
  RST,
  type Segment,
  SYN,
  TCP,
  tcpFrame as frame,
  u32,
  URG,
} from '../../../support/tcp-frames.ts';

const PASS = -1;
const UP = 0;
const DROP = 2;
const REDIRECT = 7;
const MTU = 1500;

const object = parseObjectFile(readFileSync('ebpf/tcp.bpf.o'));

const FOUR = ends('10.0.0.1', 7000, '10.0.0.2', 5000);
const FOUR_AFTER = ends('192.168.3.4', 40001, '172.16.250.9', 80);
const SIX = ends('2001:db8::1', 7001, '2001:db8::2', 5001);
const SIX_AFTER = ends('2001:db8:1::3', 40002, 'fd00::ffff:4', 80);
const MACS = Buffer.from('0202020202020a0a0a0a0a0a', 'hex');

const NOP: Option = { kind: 'bytes', bytes: [1] };

/** What a router says of a segment that did not fit: "too big", with what it quotes. */
function tooBig(
  at: Ends,
  quoted: Ends,
  sequence: number,
  { ttl = 64, macs = Buffer.alloc(12), type = -1 } = {},
): Buffer {
  const isSix = at.source.address.includes(':');
  const tcp = Buffer.alloc(100, 7);
  tcp.writeUInt16BE(quoted.source.port, 0);
  tcp.writeUInt16BE(quoted.destination.port, 2);
  tcp.writeUInt32BE(u32(sequence), 4);
  const head = Buffer.from(isSix ? [2, 0, 0, 0, 0, 0, 5, 0] : [3, 4, 0, 0, 0, 0, 5, 0]);
  if (type >= 0) head.writeUInt8(type, 0);
  const quote = ipFrame(quoted, { protocol: TCP, ttl: 60, tos: 0, macs: Buffer.alloc(12) }, tcp).subarray(14);
  const protocol = isSix ? 58 : 1;
  const before = isSix ? [pseudoHeader(at, protocol, head.length + quote.length)] : [];
  head.writeUInt16BE(checksum(...before, head, quote), 2);
  return ipFrame(at, { protocol, ttl, tos: 0, macs }, Buffer.concat([head, quote]));
}

/** Numbers of the legs: the client's stand first on its own leg, the server's on the other. */
const CLIENT = { next: 0x1000_0000, acked: 0x2000_0000, value: 5000 };
const SERVER = { next: 0x3000_0000, acked: 0x4000_0000, value: 9_000_000 };
const OUR_CLOCK = { client: 77_000, server: 4_294_960_000 };

interface Legs {
  readonly client: typeof CLIENT;
  readonly server: typeof SERVER;
}

/** What becomes of a segment of the client's. */
function expected(segment: Segment, { client, server }: Legs, scales: [number, number]): Segment {
  const sequence = server.acked - client.next;
  const ack = server.next - client.acked;
  const { window = 1000, ttl = 64, options = [] } = segment;
  return {
    ...segment,
    sequence: segment.sequence + sequence,
    ack: (segment.flags ?? ACK) & ACK ? segment.ack + ack : segment.ack,
    window: Math.min(65_535, Math.floor((window * 2 ** scales[0]) / 2 ** scales[1])),
    ttl: ttl - 1,
    options: options.map((option) => {
      if (option.kind === 'sack') return { ...option, edges: option.edges.map((edge) => edge + ack) };
      if (option.kind === 'bytes') return option;
      const value = option.value + OUR_CLOCK.server - client.value;
      const echo = option.echo === 0 ? 0 : option.echo - (OUR_CLOCK.client - server.value);
      return { ...option, value, echo };
    }),
  };
}

describe('the kernel program for TCP, packet by packet', () => {
  let table: StreamTable;
  let program: number;
  /** Those of the test. */
  const flows: Buffer[] = [];
  const way: Way = { ifindex: 1, isLoopback: false, mtu: MTU, ethernet: MACS };
  const legs: Legs = { client: CLIENT, server: SERVER };

  interface Put {
    readonly before?: Ends;
    readonly after?: Ends;
    readonly goesUp?: boolean;
    readonly state?: StreamWay['state'];
    readonly legs?: Legs;
    readonly scales?: [number, number];
    readonly timestamps?: boolean;
    readonly sack?: boolean;
    readonly reach?: number;
    readonly window?: number;
  }

  /** The client's way of a connection: its slot, and the pair. */
  const put = (options: Put = {}): { slot: number; pair: number; halves: () => [Half, Half] } => {
    const { before = FOUR, after = FOUR_AFTER, goesUp = false, state = 'spliced', scales = [7, 7] } = options;
    const { client, server } = options.legs ?? legs;
    const window = options.window ?? 128_000;
    const half = (end: typeof CLIENT): Half => ({ ...end, window, fin: 0, flags: 0 });
    const pair = table.addPair([half(client), half(server)]) ?? -1;
    const flow = encodeStream(encodeFlow(before, after, way, goesUp, 'tcp'), {
      pair,
      side: 0,
      state,
      timestamps: options.timestamps ?? true,
      sack: options.sack ?? true,
      scale: scales[0],
      scaleAfter: scales[1],
      shift: {
        sequence: u32(server.acked - client.next),
        ack: u32(server.next - client.acked),
        value: u32(OUR_CLOCK.server - client.value),
        echo: u32(server.value - OUR_CLOCK.client),
      },
      reach: options.reach ?? 100_000,
    });
    const slot = table.flows.add(flow) ?? -1;
    expect(table.flows.publish(flow, slot)).to.equal(0);
    flows.push(flow);
    return { slot, pair, halves: () => table.readPair(pair) };
  };

  const rewrites = (segment: Segment, options: Put = {}): void => {
    const { before = FOUR, after = FOUR_AFTER, scales = [7, 7] } = options;
    const { verdict, packet } = testRun(program, frame(before, segment));
    expect(verdict).to.equal(REDIRECT);
    const wanted = frame(after, expected(segment, options.legs ?? legs, scales), MACS);
    expect(packet.toString('hex')).to.equal(wanted.toString('hex'));
  };

  const passes = (packet: Buffer): void => {
    const result = testRun(program, packet);
    expect(result.verdict).to.equal(PASS);
    expect(result.packet.equals(packet)).to.equal(true);
  };

  const at = (more: Partial<Segment> = {}): Segment => ({ sequence: CLIENT.next, ack: CLIENT.acked, ...more });

  // The verifier has much to do.
  before(() => {
    table = new StreamTable(1024);
    program = loadProgram('splice', bindMaps(object.program('tc/splice'), table.maps));
  });
  after(() => {
    close(program);
    table.close();
  });
  afterEach(() => {
    for (const flow of flows.splice(0)) table.flows.withdraw(flow);
  });

  it('shares its layouts with us', () => {
    checkLayout(object.section('.layout'));
    checkStreamLayout(object.section('.stream-layout'));
    const other = Buffer.from(object.section('.stream-layout'));
    other.writeUInt32LE(44, 0);
    expect(() => checkStreamLayout(other)).to.throw('layouts of ebpf/stream.h: expected 152 120');
  });

  const bytes = (...content: number[]): Option => ({ kind: 'bytes', bytes: content });
  const timestamps: Option = { kind: 'timestamps', value: CLIENT.value + 3, echo: OUR_CLOCK.client - 5 };
  const sack = (blocks: number): Option => ({
    kind: 'sack',
    edges: Array.from({ length: 2 * blocks }, (_, index) => CLIENT.acked + 1000 * (index + 1)),
  });
  const layouts: Readonly<Record<string, readonly Option[]>> = {
    'no options': [],
    'timestamps as Linux has them': [NOP, NOP, timestamps],
    'timestamps without a time to echo': [NOP, NOP, { ...timestamps, echo: 0 }],
    'timestamps, then NOPs': [timestamps, NOP, NOP],
    'timestamps at an odd place': [NOP, timestamps, NOP],
    'timestamps at an odd place, the list ended': [NOP, timestamps],
    SACK: [NOP, NOP, sack(1)],
    'SACK of four blocks': [NOP, NOP, sack(4)],
    'SACK at an odd place': [NOP, sack(2), NOP],
    'timestamps and SACK': [NOP, NOP, timestamps, NOP, NOP, sack(3)],
    'SACK and timestamps, both at odd places': [NOP, sack(2), timestamps, NOP],
    'the end of options, and what is behind it': [{ kind: 'bytes', bytes: [0, 8, 10, 1] }],
  };
  const payloads = [Buffer.alloc(0), Buffer.from('odd'), Buffer.alloc(1400, 0xff), Buffer.from('c0ffee00', 'hex')];
  for (const [family, places] of [
    ['IPv4', { before: FOUR, after: FOUR_AFTER }],
    ['IPv6', { before: SIX, after: SIX_AFTER }],
  ] as const) {
    for (const [name, options] of Object.entries(layouts)) {
      it(`rewrites ${family} with ${name}: the segment is as if it were made anew`, () => {
        const { slot } = put(places);
        for (const payload of payloads) {
          for (const tos of [0, 3, 0xb8]) {
            for (const flags of [ACK, ACK | PSH, ACK | ECE | 0x80]) {
              rewrites(at({ payload, tos, flags, options }), places);
            }
          }
        }
        const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
        expect(table.flows.count(slot)).to.include({ packets: 9 * payloads.length, bytes: 9 * bytes });
      });
    }
  }

  it('leaves what stays on lo to the stack, rewritten', () => {
    put({ goesUp: true });
    const { verdict, packet } = testRun(program, frame(FOUR, at()));
    expect(verdict).to.equal(UP);
    expect(packet.subarray(14).equals(frame(FOUR_AFTER, expected(at(), legs, [7, 7])).subarray(14))).to.equal(true);
  });

  it('carries urgent data: where it ends is told relative to the segment', () => {
    put();
    put({ before: SIX, after: SIX_AFTER });
    for (const urgent of [0, 1, 7, 65_535]) {
      rewrites(at({ flags: ACK | URG, urgent }));
      const places = { before: SIX, after: SIX_AFTER };
      rewrites(at({ flags: ACK | PSH | URG, urgent, options: [NOP, NOP, timestamps] }), places);
    }
  });

  it('carries numbers around the end of their range', () => {
    const wrapped: Legs = {
      client: { next: 0xffff_ff00, acked: 0xffff_fff0, value: 0xffff_fff8 },
      server: { next: 0xffff_ffff, acked: 0x7fff_ffff, value: 0x8000_0000 },
    };
    const { halves, pair } = put({ legs: wrapped });
    for (let step = 0; step < 600; step += 7) {
      const options: Option[] = [
        NOP,
        NOP,
        { kind: 'timestamps', value: wrapped.client.value + step, echo: OUR_CLOCK.client + step },
        NOP,
        NOP,
        { kind: 'sack', edges: [wrapped.client.acked + step + 10, wrapped.client.acked + step + 20] },
      ];
      table.writePair(pair, [halves()[0], { ...halves()[1], next: u32(wrapped.server.next + step) }]);
      const payload = Buffer.alloc(7);
      const segment = { sequence: wrapped.client.next + step, ack: wrapped.client.acked + step, options, payload };
      rewrites(segment, { legs: wrapped });
      expect(halves()[0]).to.deep.include({
        next: u32(wrapped.client.next + step + 7),
        acked: u32(wrapped.client.acked + step),
        value: u32(wrapped.client.value + step),
      });
    }
  });

  for (const scales of [
    [0, 0],
    [7, 2],
    [2, 7],
    [14, 0],
    [0, 14],
  ] as [number, number][]) {
    it(`announces windows of scale ${scales[0]} by scale ${scales[1]}`, () => {
      const { halves } = put({ scales });
      for (const window of [0, 1, 3, 500, 65_535]) {
        rewrites(at({ window }), { scales });
        expect(halves()[0].window).to.equal(window * 2 ** scales[0]);
      }
    });
  }

  it('records what the client has sent, and never goes back', () => {
    const { halves, pair } = put();
    const server = halves()[1];
    const payload = Buffer.alloc(100);
    table.writePair(pair, [halves()[0], { ...server, next: SERVER.next + 5000 }]);
    rewrites(at({ sequence: CLIENT.next + 100, ack: CLIENT.acked + 50, payload, options: layouts['SACK'] ?? [] }));
    expect(halves()[0]).to.deep.equal({
      next: CLIENT.next + 200,
      acked: CLIENT.acked + 50,
      window: 128_000,
      value: CLIENT.value,
      fin: 0,
      flags: HALF_FLAG.seen,
    });
    const older: Option = { kind: 'timestamps', value: CLIENT.value + 9, echo: 0 };
    rewrites(at({ payload, window: 7, options: [NOP, NOP, older] }));
    // A retransmission: its clock is newer, its numbers aren't, and neither is its window.
    expect(halves()[0]).to.deep.equal({
      next: CLIENT.next + 200,
      acked: CLIENT.acked + 50,
      window: 128_000,
      value: CLIENT.value + 9,
      fin: 0,
      flags: HALF_FLAG.seen | HALF_FLAG.timestamp,
    });
    // What is in front of it may not have come.
    rewrites(at({ sequence: CLIENT.next + 900, payload: Buffer.alloc(0) }));
    expect(halves()[0].next).to.equal(CLIENT.next + 200);
    rewrites(at({ sequence: CLIENT.next + 200, flags: ACK | FIN, payload }));
    expect(halves()[0]).to.deep.include({ next: CLIENT.next + 301, fin: CLIENT.next + 301 });
    expect(halves()[0].flags).to.equal(HALF_FLAG.seen | HALF_FLAG.timestamp | HALF_FLAG.fin);
    expect(halves()[1]).to.deep.equal({ ...server, next: SERVER.next + 5000 });
  });

  it('relays a reset, and holds the one for true that the other end does', () => {
    const { halves } = put();
    const reset = (sequence: number, flags: number): void =>
      rewrites({ sequence, ack: flags & ACK ? CLIENT.acked : 0, flags, payload: Buffer.alloc(0) });
    reset(CLIENT.next + 1, RST);
    reset(CLIENT.next + 5000, RST | ACK);
    expect(halves()[0].flags).to.equal(0);
    passes(frame(FOUR, at({ sequence: CLIENT.next + 300_000, flags: RST })));
    expect(halves()[0].flags).to.equal(0);
    reset(CLIENT.next, RST);
    expect(halves()[0].flags).to.equal(HALF_FLAG.reset);
  });

  it('holds a reset for true that comes after all that was sent', () => {
    const { halves } = put();
    rewrites(at({ payload: Buffer.alloc(1000) }));
    rewrites(at({ sequence: CLIENT.next + 1000, flags: RST | ACK, payload: Buffer.alloc(0) }));
    expect(halves()[0].flags & HALF_FLAG.reset).to.equal(HALF_FLAG.reset);
  });

  const turned = ({ source, destination }: Ends): Ends => ({ source: destination, destination: source });
  for (const [family, before, after, routers] of [
    ['IPv4', FOUR, FOUR_AFTER, ['10.0.0.1', '10.77.1.2']],
    ['IPv6', SIX, SIX_AFTER, ['2001:db8::1', '2001:db8:77::1:2']],
  ] as const) {
    it(`passes on what a router says of a segment that does not fit, ${family}, to who has sent it`, () => {
      put({ before, after });
      for (const router of routers) {
        for (const distance of [0, 1, 50_000]) {
          const at = { source: { address: router, port: 0 }, destination: before.destination };
          const { verdict, packet } = testRun(program, tooBig(at, turned(before), CLIENT.acked + distance));
          expect(verdict).to.equal(REDIRECT);
          const wanted = tooBig(after, turned(after), SERVER.next + distance, { ttl: 63, macs: MACS });
          expect(packet.toString('hex')).to.equal(wanted.toString('hex'));
        }
      }
    });

    it(`leaves to the stack what a router can not say of a segment that is relayed, ${family}`, () => {
      put({ before, after, window: 50_000, reach: 1000 });
      const at = { source: { address: routers[1], port: 0 }, destination: before.destination };
      const stale = CLIENT.acked - 1;
      for (const sequence of [stale, CLIENT.acked + 51_001, CLIENT.acked + 2 ** 31]) {
        passes(tooBig(at, turned(before), sequence));
      }
      passes(tooBig(at, before, CLIENT.acked));
      passes(tooBig(at, turned(before), CLIENT.acked, { ttl: 1 }));
      passes(tooBig(at, turned(before), CLIENT.acked, { type: 1 }));
      passes(tooBig(at, turned(before), CLIENT.acked).subarray(0, 60));
    });
  }

  it('leaves what routers say to the stack while it has the connection', () => {
    put({ state: 'observe' });
    put({ before: SIX, after: SIX_AFTER, state: 'hold' });
    passes(tooBig(turned(FOUR), turned(FOUR), CLIENT.acked));
    passes(tooBig(turned(SIX), turned(SIX), CLIENT.acked));
  });

  it('counts what a large packet stands for', () => {
    const { slot } = put();
    const segment = at({ payload: Buffer.alloc(3000, 1) });
    const { verdict } = testRun(program, frame(FOUR, segment), 1, { count: 3, size: 1000 });
    expect(verdict).to.equal(REDIRECT);
    expect(table.flows.count(slot)).to.include({ packets: 3, bytes: 3000 });
    const wide = testRun(program, frame(FOUR, segment), 1, { count: 2, size: MTU - 39 });
    expect(wide.verdict).to.equal(PASS);
    expect(testRun(program, frame(FOUR, segment), 1, { count: 2, size: MTU - 40 }).verdict).to.equal(REDIRECT);
  });

  it('takes what fits the MTU just so, options included', () => {
    put();
    rewrites(at({ payload: Buffer.alloc(MTU - 40) }));
    rewrites(at({ payload: Buffer.alloc(MTU - 52), options: [NOP, NOP, timestamps] }));
    passes(frame(FOUR, at({ payload: Buffer.alloc(MTU - 39) })));
    passes(frame(FOUR, at({ payload: Buffer.alloc(MTU - 51), options: [NOP, NOP, timestamps] })));
  });

  it('takes sequence numbers a window and the reach around what is expected, and no others', () => {
    put({ window: 50_000, reach: 1000, scales: [0, 0] });
    const payload = Buffer.alloc(0);
    for (const distance of [51_000, -51_000])
      rewrites(at({ sequence: CLIENT.next + distance, payload }), { scales: [0, 0] });
    for (const distance of [51_001, -51_001, 2 ** 31])
      passes(frame(FOUR, at({ sequence: CLIENT.next + distance, payload })));
  });

  it('takes acknowledgements of what was sent, and no others', () => {
    put({ window: 50_000, reach: 1000, scales: [0, 0] });
    for (const ack of [CLIENT.acked, CLIENT.acked - 2000]) rewrites(at({ ack }), { scales: [0, 0] });
    for (const ack of [CLIENT.acked + 1, CLIENT.acked - 60_000, CLIENT.acked + 2 ** 31])
      passes(frame(FOUR, at({ ack })));
  });

  for (const state of ['observe', 'narrow'] as const)
    it(`records, and passes everything: ${state}`, () => {
      const { halves, slot } = put({ state, reach: 5000 });
      passes(frame(FOUR, at({ payload: Buffer.alloc(100), ack: CLIENT.acked + 200, options: [NOP, NOP, timestamps] })));
      expect(halves()[0]).to.deep.include({
        next: CLIENT.next + 100,
        acked: CLIENT.acked + 200,
        value: CLIENT.value + 3,
        flags: HALF_FLAG.seen | HALF_FLAG.timestamp,
      });
      const later = { ...timestamps, value: CLIENT.value + 99 };
      passes(frame(FOUR, at({ sequence: CLIENT.next + 6000, options: [NOP, NOP, later] })));
      passes(frame(FOUR, at({ ack: CLIENT.acked - 6000, options: [NOP, NOP, later] })));
      expect(halves()[0].value).to.equal(CLIENT.value + 3);
      expect(halves()[0]).to.deep.include({ next: CLIENT.next + 100, acked: CLIENT.acked + 200 });
      expect(table.flows.count(slot).packets).to.equal(0);
    });

  it('observes from where the first segment is', () => {
    const { halves } = put({ state: 'observe', reach: 5000 });
    passes(frame(FOUR, at({ sequence: 1, ack: 2, payload: Buffer.alloc(100) })));
    expect(halves()[0]).to.deep.include({ next: 101, acked: 2, flags: HALF_FLAG.seen });
  });

  it('drains: relays all, but for windows', () => {
    const { halves, slot } = put({ state: 'drain' });
    put({ before: SIX, after: SIX_AFTER, state: 'drain' });
    const payload = Buffer.alloc(1000);
    const closes = (segment: Segment, before = FOUR, after = FOUR_AFTER): void => {
      const { verdict, packet } = testRun(program, frame(before, segment));
      expect(verdict).to.equal(REDIRECT);
      const wanted = frame(after, { ...expected(segment, legs, [7, 7]), window: 0 }, MACS);
      expect(packet.toString('hex')).to.equal(wanted.toString('hex'));
    };
    closes(at({ payload, options: [NOP, NOP, timestamps] }), SIX, SIX_AFTER);
    closes(at({ payload }));
    closes(at({ payload: Buffer.alloc(0), sequence: CLIENT.next + 1000, window: 0 }));
    closes(at({ payload, sequence: CLIENT.next + 1000, window: 7, flags: ACK | FIN }));
    // The client's own word is kept.
    expect(halves()[0]).to.deep.include({ next: CLIENT.next + 2001, acked: CLIENT.acked, window: 7 * 128 });
    expect(table.flows.count(slot)).to.include({ packets: 3, bytes: 2000 });
  });

  it('drains: keeps the acknowledgement of what does not fit, which passes up', () => {
    const { halves, pair } = put({ state: 'drain' });
    const [client, server] = halves();
    table.writePair(pair, [client, { ...server, next: SERVER.next + 500 }]);
    passes(frame(FOUR, at({ ack: CLIENT.acked + 300, payload: Buffer.alloc(MTU) })));
    expect(halves()[0]).to.deep.include({ next: CLIENT.next, acked: CLIENT.acked + 300 });
  });

  it('widens: passes everything, and records nothing', () => {
    const { halves } = put({ state: 'widen' });
    const was = halves();
    passes(frame(FOUR, at({ payload: Buffer.alloc(100), options: [NOP, NOP, timestamps] })));
    passes(frame(FOUR, at({ flags: ACK | FIN })));
    expect(halves()).to.deep.equal(was);
  });

  it('holds: drops everything that has the flow’s ends', () => {
    put({ state: 'hold' });
    for (const flags of [ACK, RST, SYN, FIN | ACK, URG | ACK, 0]) {
      expect(testRun(program, frame(FOUR, at({ flags }))).verdict).to.equal(DROP);
    }
  });

  describe('at egress', () => {
    let narrow: number;
    let counted = 0;
    before(() => {
      narrow = loadProgram('narrow', bindMaps(object.program('tc/narrow'), table.maps));
    });
    after(() => close(narrow));
    afterEach(() => count(-counted));

    const count = (change: number): void => {
      table.countNarrow(change);
      counted += change;
    };

    const out = (packet: Buffer): string => {
      const result = testRun(narrow, packet);
      expect(result.verdict).to.equal(PASS);
      return result.packet.toString('hex');
    };
    const toClient = [turned(FOUR), turned(SIX)];
    const segments: readonly Segment[] = [
      at(),
      at({ window: 65_535, payload: Buffer.alloc(0) }),
      at({ options: [NOP, NOP, timestamps], payload: Buffer.from('odd'), flags: ACK | PSH | FIN, tos: 3 }),
      at({ ttl: 1, options: [bytes(253, 4, 1, 1)] }),
    ];
    const put4And6 = (state: StreamWay['state']): void => {
      put({ state });
      put({ before: SIX, after: SIX_AFTER, state });
    };

    it('announces no window to who sends too much: the segment is as if it were made anew', () => {
      put4And6('narrow');
      count(2);
      for (const place of toClient) {
        for (const segment of segments) {
          expect(out(frame(place, segment))).to.equal(frame(place, { ...segment, window: 0 }).toString('hex'));
        }
      }
    });

    it('makes a window known where a socket asks, with a number that is not believed, and changes nothing else', () => {
      put4And6('widen');
      count(2);
      for (const place of toClient) {
        // What comes from the client has acknowledged so much.
        const sequence = CLIENT.acked;
        const asked = at({
          sequence: sequence - 1,
          ack: CLIENT.next,
          payload: Buffer.alloc(0),
          options: [NOP, NOP, timestamps],
        });
        expect(out(frame(place, asked))).to.equal(frame(place, { ...asked, sequence }).toString('hex'));
        for (const distance of [-2, 0, 1, 2 ** 31]) {
          const other = frame(place, { ...asked, sequence: sequence + distance });
          expect(out(other)).to.equal(other.toString('hex'));
        }
      }
    });

    it('leaves others alone, and those that are relayed, and what opens or resets a connection', () => {
      put4And6('narrow');
      count(2);
      const other = ends('10.0.0.2', 5000, '10.0.0.1', 7001);
      for (const packet of [
        ...[FOUR, SIX, FOUR_AFTER, SIX_AFTER, other].map((place) => frame(place, at())),
        ...toClient.flatMap((place) => [SYN, SYN | ACK, RST].map((flags) => frame(place, at({ flags })))),
        changed(frame(turned(FOUR), at()), (copy) => copy.writeUInt16BE(0x2000, 20)),
        changed(frame(turned(FOUR), at()), (copy) => copy.writeUInt8(0x46, 14)),
        changed(frame(turned(FOUR), at()), (copy) => copy.writeUInt8(17, 23)),
        changed(frame(turned(SIX), at()), (copy) => copy.writeUInt8(0, 20)),
        frame(turned(FOUR), at()).subarray(0, 53),
      ]) {
        expect(out(packet)).to.equal(packet.toString('hex'));
      }
    });

    for (const state of ['observe', 'spliced', 'drain', 'hold'] as const) {
      it(`leaves those alone whose state is ${state}`, () => {
        put4And6(state);
        count(1);
        for (const place of toClient) expect(out(frame(place, at()))).to.equal(frame(place, at()).toString('hex'));
      });
    }

    it('looks nothing up while there is nobody', () => {
      put4And6('narrow');
      expect(out(frame(turned(FOUR), at()))).to.equal(frame(turned(FOUR), at()).toString('hex'));
      count(1);
      count(-1);
      expect(out(frame(turned(FOUR), at()))).to.equal(frame(turned(FOUR), at()).toString('hex'));
    });
  });

  const four = frame(FOUR, at());
  const six = frame(SIX, at());
  const misses: Readonly<Record<string, Buffer>> = {
    'another port': frame(ends('10.0.0.1', 7002, '10.0.0.2', 5000), at()),
    'another address': frame(ends('2001:db8::11', 7001, '2001:db8::2', 5001), at()),
    'the way back': frame({ source: FOUR.destination, destination: FOUR.source }, at()),
    'a TTL that ends here': frame(FOUR, at({ ttl: 1 })),
    'a hop limit that ends here': frame(SIX, at({ ttl: 1 })),
    'a first fragment': changed(four, (copy) => copy.writeUInt16BE(0x2000, 20)),
    'a later fragment': changed(four, (copy) => copy.writeUInt16BE(0x0010, 20)),
    'a reserved flag': changed(four, (copy) => copy.writeUInt16BE(0xc000, 20)),
    'IP options': changed(four, (copy) => copy.writeUInt8(0x46, 14)),
    UDP: changed(four, (copy) => copy.writeUInt8(17, 23)),
    'an IPv6 extension header': changed(six, (copy) => copy.writeUInt8(0, 20)),
    'another IP version': changed(six, (copy) => copy.writeUInt8(0x50, 14)),
    SYN: frame(FOUR, at({ flags: SYN })),
    'SYN and ACK': frame(SIX, at({ flags: SYN | ACK })),
    'neither ACK nor RST': frame(FOUR, at({ flags: PSH })),
    'a signature (MD5)': frame(FOUR, at({ options: [bytes(19, 18, ...Array.from({ length: 16 }, () => 7))] })),
    'a signature (AO)': frame(FOUR, at({ options: [bytes(29, 4, 1, 1)] })),
    MPTCP: frame(SIX, at({ options: [bytes(30, 4, 0x20, 1)] })),
    'an unknown option': frame(FOUR, at({ options: [bytes(253, 4, 1, 1)] })),
    'a MSS': frame(FOUR, at({ options: [bytes(2, 4, 5, 0xb4)] })),
    'an option without length': frame(FOUR, at({ options: [bytes(1, 1, 1, 8)] })),
    'an option of length 0': frame(FOUR, at({ options: [bytes(8, 0, 0, 0)] })),
    'an option beyond the header': frame(FOUR, at({ options: [bytes(1, 1, 5, 10)] })),
    'timestamps of another length': frame(FOUR, at({ options: [bytes(8, 9, 1, 2, 3, 4, 5, 6, 7), bytes(1, 1, 1)] })),
    'timestamps twice': frame(FOUR, at({ options: [timestamps, timestamps] })),
    'SACK twice': frame(FOUR, at({ options: [sack(1), sack(1)] })),
    'SACK of half a block': frame(FOUR, at({ options: [bytes(5, 6, 1, 2, 3, 4), NOP, NOP] })),
    'a header below the least': changed(four, (copy) => copy.writeUInt8(0x40, 46)),
    'a header beyond the packet': changed(four, (copy) => copy.writeUInt8(0xf0, 46)),
    'a length beyond the frame': changed(four, (copy) => copy.writeUInt16BE(100, 16)),
    'a length below the headers': changed(six, (copy) => copy.writeUInt16BE(19, 18)),
    'a frame for another station': changed(four, (copy) => copy.writeUInt8(2, 5)),
    'a VLAN tag': Buffer.concat([four.subarray(0, 12), Buffer.from([0x81, 0, 0, 100]), four.subarray(12)]),
    ARP: Buffer.concat([Buffer.alloc(12), Buffer.from([8, 6]), Buffer.alloc(60)]),
  };
  for (const [name, packet] of Object.entries(misses)) {
    it(`passes untouched: ${name}`, () => {
      const { halves } = put();
      put({ before: SIX, after: SIX_AFTER });
      const was = halves();
      passes(packet);
      expect(halves()).to.deep.equal(was);
    });
  }

  it('passes options that the ends have not agreed on', () => {
    put({ timestamps: false });
    put({ before: SIX, after: SIX_AFTER, sack: false });
    passes(frame(FOUR, at({ options: [NOP, NOP, timestamps] })));
    passes(frame(SIX, at({ options: [NOP, NOP, sack(1)] })));
  });

  it('passes what a hash led to the flow of others, and what belongs to a flow that is gone', () => {
    const { slot } = put();
    const other = encodeFlow(SIX, SIX_AFTER, way, false, 'tcp');
    expect(table.flows.publish(other, slot)).to.equal(0);
    flows.push(other);
    passes(six);
    table.flows.withdraw(encodeFlow(FOUR, FOUR_AFTER, way, false, 'tcp'));
    passes(four);
  });

  it('changes nothing of 100,000 mutated packets that is not a flow’s', () => {
    put();
    put({ before: SIX, after: SIX_AFTER });
    const options = [NOP, NOP, timestamps, NOP, NOP, sack(2)];
    const originals = [frame(FOUR, at({ options })), frame(SIX, at({ options })), four, six];
    let seed = 42;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    let taken = 0;
    for (let run = 0; run < 100_000; run++) {
      const original = originals[run % 4]!;
      const packet = Buffer.from(original.subarray(0, original.length - random(8)));
      for (let count = random(4); count >= 0; count--) packet.writeUInt8(random(256), random(packet.length));
      const { verdict, packet: result } = testRun(program, packet);
      if (verdict === PASS) {
        expect(result.equals(packet)).to.equal(true);
        continue;
      }
      taken++;
      const [address, ports] = run % 2 === 0 ? [26, 34] : [22, 54];
      expect(verdict).to.equal(REDIRECT);
      expect(packet.subarray(address, ports + 4).equals(original.subarray(address, ports + 4))).to.equal(true);
      expect(packet.subarray(0, 6).equals(Buffer.alloc(6))).to.equal(true);
      const payload = ports + ((packet[ports + 12] ?? 0) >> 4) * 4;
      expect(result.subarray(payload).equals(packet.subarray(payload))).to.equal(true);
    }
    expect(taken).to.be.above(1000);
  });
});
