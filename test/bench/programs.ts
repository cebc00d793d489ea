/** The kernel's programs by themselves: nanoseconds a packet, and what the verifier walked through to accept them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProgram, testRun, verifiedInstructions } from '../../dataplane/kernel/bpf.ts';
import { FlowTable } from '../../dataplane/offload/flow-table.ts';
import { encodeFlow, encodeStream, type Ends, type Transport } from '../../dataplane/offload/layout.ts';
import { bindMaps, parseObjectFile } from '../../dataplane/kernel/object-file.ts';
import { StreamTable } from '../../dataplane/offload/stream-table.ts';
import { close } from '../../dataplane/sockets/native/libc.ts';
import { ends, udpFrame } from '../support/frames.ts';
import { ACK, tcpFrame } from '../support/tcp-frames.ts';
import { ROOT } from './contenders.ts';
import { median } from './report.ts';

export interface ProgramFigures {
  readonly hit4: number;
  readonly hit6: number;
  /** Of what is for no flow's port. */
  readonly miss: number;
  /** Of what is for a flow's port, and none of its packets. */
  readonly stranger: number;
  readonly instructions: number;
}

/** A packet is rewritten again and again, and each time loses a hop. */
const RUNS = 250;
const ROUNDS = 400;
/** As full as the proxy's own. */
const CAPACITY = 16_384;

const FOUR = ends('10.0.0.1', 7000, '10.0.0.2', 5000);
const SIX = ends('fd01::1', 7000, 'fd01::2', 5000);
const OTHER = ends('10.0.0.1', 7000, '10.0.0.2', 5001);
const STRANGER = ends('10.0.0.1', 7001, '10.0.0.2', 5000);
const WAY = { ifindex: 1, isLoopback: false, mtu: 1500, ethernet: Buffer.alloc(12) };
const PAYLOAD = Buffer.alloc(64);
const SEQUENCE = 1000;

/** To itself, so that it is one of the flow's after it was rewritten, too. */
function toItself(place: Ends, transport: Transport): Buffer {
  return encodeFlow(place, place, WAY, false, transport);
}

export function measureDatagrams(): ProgramFigures {
  const table = new FlowTable(CAPACITY);
  try {
    for (const place of [FOUR, SIX]) put(table, toItself(place, 'udp'));
    const program = load('udp.bpf.o', 'tc/relay', table.maps);
    return measure(program, table, (place) => udpFrame(place, { payload: PAYLOAD, ttl: 255 }));
  } finally {
    table.close();
  }
}

/** Segments with timestamps. */
export function measureStreams(): ProgramFigures {
  const table = new StreamTable(CAPACITY);
  try {
    for (const place of [FOUR, SIX]) {
      const half = { next: SEQUENCE, acked: SEQUENCE, window: 100_000, value: 1, fin: 0, flags: 0 };
      const stream = encodeStream(toItself(place, 'tcp'), {
        pair: table.addPair([half, half]) ?? 0,
        side: 0,
        state: 'spliced',
        timestamps: true,
        sack: true,
        scale: 7,
        scaleAfter: 7,
        shift: { sequence: 0, ack: 0, value: 0, echo: 0 },
        reach: 100_000,
      });
      put(table.flows, stream);
    }
    const program = load('tcp.bpf.o', 'tc/splice', table.maps);
    const options = [
      { kind: 'bytes', bytes: [1, 1] },
      { kind: 'timestamps', value: 2, echo: 1 },
    ] as const;
    const segment = { sequence: SEQUENCE, ack: SEQUENCE, flags: ACK, options, payload: PAYLOAD, ttl: 255 };
    return measure(program, table.flows, (place) => tcpFrame(place, segment));
  } finally {
    table.close();
  }
}

/** At egress, while no windows are closed. */
export function measureEgress(): number {
  const table = new StreamTable(1);
  const program = load('tcp.bpf.o', 'tc/narrow', table.maps);
  try {
    return time(program, tcpFrame(FOUR, { sequence: SEQUENCE, ack: SEQUENCE, payload: PAYLOAD }));
  } finally {
    close(program);
    table.close();
  }
}

function load(file: string, section: string, maps: Readonly<Record<string, number>>): number {
  return loadProgram(
    'l7mp_bench',
    bindMaps(parseObjectFile(readFileSync(join(ROOT, 'ebpf', file))).program(section), maps),
  );
}

function put(table: FlowTable, flow: Buffer): void {
  table.publish(flow, table.add(flow) ?? 0);
}

function time(program: number, packet: Buffer): number {
  return median(Array.from({ length: ROUNDS }, () => testRun(program, packet, RUNS).nanoseconds));
}

/** Closes the program. The table has a flow of FOUR, and one of SIX. */
function measure(program: number, table: FlowTable, packet: (place: Ends) => Buffer): ProgramFigures {
  try {
    const times = [FOUR, SIX, OTHER, STRANGER].map((place) => time(program, packet(place)));
    const [hit4 = NaN, hit6 = NaN, miss = NaN, stranger = NaN] = times;
    const hits = [0, 1].map((slot) => table.count(slot).packets);
    if (hits.some((count) => count !== ROUNDS * RUNS)) {
      throw new Error(`expected ${ROUNDS * RUNS} hits each, found ${hits.join(', ')}`);
    }
    return { hit4, hit6, miss, stranger, instructions: verifiedInstructions(program) };
  } finally {
    close(program);
  }
}
