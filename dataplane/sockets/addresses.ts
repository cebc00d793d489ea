/** Addresses as metadata and names show them. */
import type { Metadata } from '../core/session.ts';

export { formatAddress, plainAddress } from '../../common/format-address.ts';

/** Both ends of a connection, from the listener's side. */
export interface Ends {
  readonly srcAddress: string;
  readonly srcPort: number;
  readonly dstAddress: string;
  readonly dstPort: number;
}

/** The metadata of a session on a transport: `IP` and the ports. */
export function endsMetadata(transport: 'TCP' | 'UDP' | 'SCTP', ends: Ends): Metadata {
  const metadata: Metadata = { IP: { src_addr: ends.srcAddress, dst_addr: ends.dstAddress } };
  metadata[transport] = { src_port: ends.srcPort, dst_port: ends.dstPort };
  return metadata;
}

/** `TCP:10.0.0.1:5000-10.0.0.2:80`: what a session of these ends is called. */
export function sessionName(protocol: string, ends: Ends): string {
  return `${protocol}:${ends.srcAddress}:${String(ends.srcPort)}-${ends.dstAddress}:${String(ends.dstPort)}`;
}
