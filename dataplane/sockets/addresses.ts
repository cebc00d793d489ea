/** Addresses as metadata and names show them. */
import type { CaptureDirection } from '../core/capture.ts';
import type { Metadata } from '../core/session.ts';

export { formatAddress, plainAddress } from '../../common/format-address.ts';

/** Both ends of a connection, from the listener's side. */
export interface Ends {
  readonly srcAddress: string;
  readonly srcPort: number;
  readonly dstAddress: string;
  readonly dstPort: number;
  /** The kernel has led it here; these are the ends that it had before. */
  readonly captured?: CaptureDirection | undefined;
}

/** The metadata of a session on a transport: `IP` and the ports, and `Capture` where it was led here. */
export function endsMetadata(transport: 'TCP' | 'UDP' | 'SCTP', ends: Ends): Metadata {
  const metadata: Metadata = { IP: { src_addr: ends.srcAddress, dst_addr: ends.dstAddress } };
  metadata[transport] = { src_port: ends.srcPort, dst_port: ends.dstPort };
  if (ends.captured) {
    metadata['Capture'] = { direction: ends.captured, dst_addr: ends.dstAddress, dst_port: ends.dstPort };
  }
  return metadata;
}

/** `TCP:10.0.0.1:5000-10.0.0.2:80`: what a session of these ends is called. */
export function sessionName(protocol: string, ends: Ends): string {
  return `${protocol}:${ends.srcAddress}:${String(ends.srcPort)}-${ends.dstAddress}:${String(ends.dstPort)}`;
}
