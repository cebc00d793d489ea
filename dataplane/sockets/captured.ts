/** A listener's share of what the kernel captures: only that comes in, by the ends that it had. */
import { ProxyError } from '../../common/errors.ts';
import { parseAddressPort } from '../../common/networks.ts';
import type { CaptureDirection, CaptureListener, CapturePlace, CaptureTable } from '../core/capture.ts';
import type { Ends } from './addresses.ts';

/** What a listener's spec says of it. */
export interface CapturedSpec {
  /** `outbound` or `inbound`: takes what the kernel captures, and nothing else. */
  readonly captured?: string | undefined;
  /** As in `10.0.0.1:80`: of that, what is for these; all when empty. */
  readonly captured_destinations?: readonly string[] | undefined;
}

export class CapturedDoor {
  private readonly table: CaptureTable;
  private readonly direction: CaptureDirection;
  private readonly transport: 'tcp' | 'udp';
  private readonly destinations: readonly CapturePlace[];
  private listener: CaptureListener | undefined;
  private end: (() => void) | undefined;

  /** @throws ProxyError `UNSUPPORTED` where the proxy captures nothing */
  constructor(
    table: CaptureTable | undefined,
    direction: CaptureDirection,
    transport: 'tcp' | 'udp',
    destinations: readonly string[],
  ) {
    if (!table)
      throw new ProxyError('UNSUPPORTED', 'captured: expected admin.capture in the configuration, found none');
    this.table = table;
    this.direction = direction;
    this.transport = transport;
    // The decoder has refused what is none.
    this.destinations = destinations.flatMap((text) => parseAddressPort(text) ?? []);
  }

  /** Once the listener has this address and port. */
  open(address: string, port: number): void {
    const { direction, transport, destinations } = this;
    this.listener = { direction, transport, destinations, address, port };
    this.end = this.table.open(this.listener);
  }

  close(): void {
    this.end?.();
    this.end = undefined;
  }

  /** As the client and its peer see them. @throws ProxyError `PERMISSION_DENIED` where the client came by itself */
  endsOf(srcAddress: string, srcPort: number): Ends {
    const { listener } = this;
    const found = listener && this.table.original(listener, { address: srcAddress, port: srcPort });
    if (!found)
      throw new ProxyError('PERMISSION_DENIED', 'expected what the kernel has captured, found a client of its own');
    const { source, destination } = found;
    return {
      srcAddress: source.address,
      srcPort: source.port,
      dstAddress: destination.address,
      dstPort: destination.port,
      captured: this.direction,
    };
  }
}

/** Undefined: the listener takes its own clients. */
export function capturedDoor(
  table: CaptureTable | undefined,
  { captured, captured_destinations: destinations = [] }: CapturedSpec,
  transport: 'tcp' | 'udp',
): CapturedDoor | undefined {
  if (captured !== 'outbound' && captured !== 'inbound') return undefined;
  return new CapturedDoor(table, captured, transport, destinations);
}
