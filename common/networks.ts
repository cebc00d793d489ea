/** Networks, places and ranges of ports as configuration writes them. Pure. */
import { isIP } from 'node:net';

/** `10.0.0.0/8`: an address, and how many of its bits count. */
export interface Cidr {
  readonly address: string;
  readonly bits: number;
}

/** An address alone is a network of one. Undefined where it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bits, more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (most < 0 || more !== undefined || address.includes('%')) return undefined;
  if (bits === undefined) return { address, bits: most };
  return /^\d{1,3}$/u.test(bits) && Number(bits) <= most ? { address, bits: Number(bits) } : undefined;
}

/** Ports from `first` to `last`, of these transports. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly transports: readonly ('tcp' | 'udp')[];
}

const RANGE = /^(?:\*|(\d{1,5})(?:-(\d{1,5}))?)(?:\/(tcp|udp))?$/u;

/** `80`, `8000-8999`, `53/udp`, any port's `/tcp`: of both transports unless it says of which. Undefined where it is none. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = RANGE.exec(text);
  if (!match) return undefined;
  const [, from, to = from, transport] = match;
  const first = Number(from ?? 1);
  const last = Number(to ?? 65_535);
  if (first < 1 || last > 65_535 || first > last) return undefined;
  return { first, last, transports: transport === 'tcp' || transport === 'udp' ? [transport] : ['tcp', 'udp'] };
}

export interface AddressPort {
  readonly address: string;
  readonly port: number;
}

/** `10.0.0.1:80`, `[fd00::1]:80`. Undefined where it is neither. */
export function parseAddressPort(text: string): AddressPort | undefined {
  const [, six, four, digits] = /^(?:\[([^\]%]+)\]|([^:]+)):(\d{1,5})$/u.exec(text) ?? [];
  const address = six ?? four ?? '';
  const port = Number(digits);
  if (isIP(address) !== (six === undefined ? 4 : 6) || port < 1 || port > 65_535) return undefined;
  return { address, port };
}
