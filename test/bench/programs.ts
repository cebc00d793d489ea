/** The kernel's programs by themselves: nanoseconds a packet, and what the verifier walked through to accept them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProgram, testRun, verifiedInstructions } from '../../dataplane/offload/bpf.ts';
import { FlowTable } from '../../dataplane/offload/flow-table.ts';
import { encodeFlow, type Ends } from '../../dataplane/offload/layout.ts';
import { bindMaps, parseObjectFile } from '../../dataplane/offload/object-file.ts';
import { close } from '../../dataplane/sockets/native/libc.ts';
import { ROOT } from './contenders.ts';
import { median } from './report.ts';

export interface ProgramFigures {
  readonly hit4: number;
  readonly hit6: number;
  readonly miss: number;
  readonly instructions: number;
}

/** A packet is rewritten again and again, and each time loses a hop. */
const RUNS = 250;
const ROUNDS = 400;
/** As full as the proxy's own. */
const CAPACITY = 16_384;

const FOUR: Ends = { source: { address: '10.0.0.1', port: 7000 }, destination: { address: '10.0.0.2', port: 5000 } };
const SIX: Ends = { source: { address: 'fd01::1', port: 7000 }, destination: { address: 'fd01::2', port: 5000 } };
const WAY = { ifindex: 1, isLoopback: false, mtu: 1500, ethernet: Buffer.alloc(12) };
const PAYLOAD = 64;

/** Its checksum may be wrong: the program adjusts what is there. */
function frame({ source, destination }: Ends): Buffer {
  const ends = encodeFlow({ source, destination }, { source, destination }, WAY, false);
  const isFour = source.address === FOUR.source.address;
  const ip = isFour
    ? Buffer.concat([Buffer.from([0x45, 0, 0, 28 + PAYLOAD, 0, 0, 0x40, 0, 255, 17, 0, 0]), pick(ends, 4)])
    : Buffer.concat([Buffer.from([0x60, 0, 0, 0, 0, 8 + PAYLOAD, 17, 255]), pick(ends, 16)]);
  const udp = Buffer.concat([ends.subarray(4, 8), Buffer.from([0, 8 + PAYLOAD, 1, 1])]);
  const ethernet = Buffer.concat([Buffer.alloc(12), Buffer.from(isFour ? [8, 0] : [0x86, 0xdd])]);
  return Buffer.concat([ethernet, ip, udp, Buffer.alloc(PAYLOAD)]);
}

function pick(flow: Buffer, length: number): Buffer {
  return Buffer.concat([flow.subarray(8, 8 + length), flow.subarray(24, 24 + length)]);
}

export function measurePrograms(): ProgramFigures {
  const object = parseObjectFile(readFileSync(join(ROOT, 'ebpf/udp.bpf.o')));
  const table = new FlowTable(CAPACITY);
  const program = loadProgram('l7mp_relay', bindMaps(object.program('tc/relay'), table.maps));
  try {
    // To itself, so that it is one of the flow's after it was rewritten, too.
    for (const ends of [FOUR, SIX]) {
      const flow = encodeFlow(ends, ends, WAY, false);
      table.publish(flow, table.add(flow) ?? 0);
    }
    const time = (packet: Buffer): number =>
      median(Array.from({ length: ROUNDS }, () => testRun(program, packet, RUNS).nanoseconds));
    const other = { ...FOUR, source: { address: FOUR.source.address, port: 7001 } };
    const figures = { hit4: time(frame(FOUR)), hit6: time(frame(SIX)), miss: time(frame(other)) };
    if (table.count(0).packets !== ROUNDS * RUNS || table.count(1).packets !== ROUNDS * RUNS) {
      throw new Error(
        `expected ${ROUNDS * RUNS} hits each, found ${table.count(0).packets}, ${table.count(1).packets}`,
      );
    }
    return { ...figures, instructions: verifiedInstructions(program) };
  } finally {
    close(program);
    table.close();
  }
}
