/** What is captured and what is not, as the program has it. */
import type { Capture } from '../../gen/l7mp/config/v1/types.ts';
import { parseCidr, parsePortRange } from '../../common/networks.ts';
import type { CaptureDirection } from '../core/capture.ts';
import { DIRECTIONS, encodePrefix, laneOf, PORTS_SIZE } from './layout.ts';

/** `struct ports`. */
export function encodePorts(capture: Capture): Buffer {
  const bytes = Buffer.alloc(PORTS_SIZE);
  for (const direction of DIRECTIONS) {
    const { ports, exclude_ports } = capture[direction];
    for (const text of ports.length > 0 ? ports : ['*']) mark(bytes, direction, text, true);
    for (const text of exclude_ports) mark(bytes, direction, text, false);
  }
  return bytes;
}

function mark(bytes: Buffer, direction: CaptureDirection, text: string, isTaken: boolean): void {
  const range = parsePortRange(text);
  if (!range) return; // the decoder has refused it
  for (const transport of range.transports) {
    const bit = 1 << laneOf(direction, transport);
    for (let port = range.first; port <= range.last; port++) {
      const lanes = bytes[port] ?? 0;
      bytes[port] = isTaken ? lanes | bit : lanes & ~bit;
    }
  }
}

/** Keys of what is excluded by address. */
export function encodeExcluded(capture: Capture): Buffer[] {
  return DIRECTIONS.flatMap((direction) =>
    capture[direction].exclude_cidrs.flatMap((text) => {
      const cidr = parseCidr(text);
      return cidr ? [encodePrefix(direction, cidr.address, cidr.bits)] : [];
    }),
  );
}
