/** A listener's share of what the kernel captures: only that comes in, by the ends that it had. */
import { ProxyError } from '../../common/errors.ts';
import type { CaptureDirection, CaptureListener, CaptureTable } from '../core/capture.ts';
import type { Ends } from './addresses.ts';

export class CapturedDoor {
  private readonly table: CaptureTable;
  private readonly direction: CaptureDirection;
  private readonly transport: 'tcp' | 'udp';
  private listener: CaptureListener | undefined;
  private end: (() => void) | undefined;

  /** @throws ProxyError `UNSUPPORTED` where the proxy captures nothing */
  constructor(table: CaptureTable | undefined, direction: CaptureDirection, transport: 'tcp' | 'udp') {
    if (!table)
      throw new ProxyError('UNSUPPORTED', 'captured: expected admin.capture in the configuration, found none');
    this.table = table;
    this.direction = direction;
    this.transport = transport;
  }

  /** Once the listener has this address and port. */
  open(address: string, port: number): void {
    this.listener = { direction: this.direction, transport: this.transport, address, port };
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
  captured: string | undefined,
  transport: 'tcp' | 'udp',
): CapturedDoor | undefined {
  return captured === 'outbound' || captured === 'inbound' ? new CapturedDoor(table, captured, transport) : undefined;
}
