/** Where a session was to go before it was captured. */
import { isIP } from 'node:net';
import { isPlain } from '../../config/scalars.ts';
import type { Metadata } from '../core/session.ts';
import { formatAddress } from '../sockets/addresses.ts';
import { Endpoint } from './endpoint.ts';

/** An endpoint of this session alone; undefined where `Capture` of the metadata has no address and port. */
export function originalEndpoint({ Capture }: Metadata): Endpoint | undefined {
  if (!isPlain(Capture)) return undefined;
  const { dst_addr: address, dst_port: port } = Capture;
  if (typeof address !== 'string' || isIP(address) === 0 || typeof port !== 'number') return undefined;
  const name = formatAddress(address, port);
  return new Endpoint({ name, spec: { port: 0 }, address, port, located: true, host: address }, 1, undefined);
}
