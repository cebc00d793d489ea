/**
 * A TCP connection that is busy both ways until it is closed, and the times in which nothing arrived.
 * `node tcp-gaps.js '{...}'` takes TcpPlaces and prints GapsResult.
 */
import { monotonicMs } from '../monotonic.ts';
import { Poller, read, READABLE, WRITABLE, wouldBlock, write } from './syscalls.ts';
import { connectEnds, type TcpPlaces } from './tcp-ends.ts';

export interface Gap {
  /** Of CLOCK_MONOTONIC, in ms. */
  readonly from: number;
  readonly to: number;
}

/** What each end saw. */
export interface GapsResult {
  readonly client: readonly Gap[];
  readonly server: readonly Gap[];
}

/** Shorter ones are not kept. */
const SHORTEST_MS = 0.5;
const LIMIT_MS = 120_000;

const ends = connectEnds(JSON.parse(process.argv[2] ?? '{}') as TcpPlaces);
const block = Buffer.alloc(256 * 1024, 'b');
const sink = Buffer.alloc(256 * 1024);
const poller = new Poller();
const closed = new Set<number>();

/** Gaps at one end, as they are found. */
function watch(fd: number): Gap[] {
  const gaps: Gap[] = [];
  let last = monotonicMs();
  poller.add(fd, READABLE | WRITABLE, () => {
    write(fd, block, block.length);
    const length = read(fd, sink, sink.length);
    if (length === 0 || (length < 0 && !wouldBlock())) closed.add(fd);
    if (length <= 0) return;
    const now = monotonicMs();
    if (now - last >= SHORTEST_MS) gaps.push({ from: last, to: now });
    last = now;
  });
  return gaps;
}

const result: GapsResult = { client: watch(ends.client), server: watch(ends.server) };
for (const deadline = monotonicMs() + LIMIT_MS; closed.size === 0 && monotonicMs() < deadline;) poller.poll(10);
process.stdout.write(`${JSON.stringify(result)}\n`);
