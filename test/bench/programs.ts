/** The kernel's programs by themselves: nanoseconds a packet, and what the verifier walked through to accept them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProgram, testRun, verifiedInstructions } from '../../dataplane/offload/bpf.ts';
import { FlowTable } from '../../dataplane/offload/flow-table.ts';
import { encodeFlow, type Ends } from '../../dataplane/offload/layout.ts';
import { bindMaps, parseObjectFile } from '../../dataplane/offload/object-file.ts';
import { close } from '../../dataplane/sockets/native/libc.ts';
import { ends, udpFrame } from '../support/frames.ts';
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

const FOUR = ends('10.0.0.1', 7000, '10.0.0.2', 5000);
const SIX = ends('fd01::1', 7000, 'fd01::2', 5000);
const WAY = { ifindex: 1, isLoopback: false, mtu: 1500, ethernet: Buffer.alloc(12) };
const SHAPE = { payload: Buffer.alloc(64), ttl: 255 };

export function measurePrograms(): ProgramFigures {
  const object = parseObjectFile(readFileSync(join(ROOT, 'ebpf/udp.bpf.o')));
  const table = new FlowTable(CAPACITY);
  const program = loadProgram('l7mp_relay', bindMaps(object.program('tc/relay'), table.maps));
  try {
    // To itself, so that it is one of the flow's after it was rewritten, too.
    for (const itself of [FOUR, SIX]) {
      const flow = encodeFlow(itself, itself, WAY, false);
      table.publish(flow, table.add(flow) ?? 0);
    }
    const time = (of: Ends): number => {
      const packet = udpFrame(of, SHAPE);
      return median(Array.from({ length: ROUNDS }, () => testRun(program, packet, RUNS).nanoseconds));
    };
    const other = { ...FOUR, source: { address: FOUR.source.address, port: 7001 } };
    const figures = { hit4: time(FOUR), hit6: time(SIX), miss: time(other) };
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
