/** Addresses that only this machine reaches. */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** An address, in brackets or not, an IPv4 one of a dual-stack socket (`::ffff:127.0.0.1`), or `localhost`; no port. */
export function isLoopback(host: string): boolean {
  const bare = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/u, '$1')
    .replace(/^::ffff:(?=[\d.]+$)/u, '');
  const family = isIP(bare);
  return family === 0 ? bare === 'localhost' : loopback.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}
