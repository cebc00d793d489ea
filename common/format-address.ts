/** Addresses as people and packets have them. */

/** `10.0.0.1:80`, `[::1]:80`. */
export function formatAddress(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

/** The same; of what has no port the address alone. */
export function formatEnd(address: string, port = 0): string {
  return port === 0 ? address : formatAddress(address, port);
}

/** An IPv4 client of a dual-stack socket by its plain address: `::ffff:10.0.0.1` is `10.0.0.1`. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
