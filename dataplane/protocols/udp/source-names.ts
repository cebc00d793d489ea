/** Addresses of sources as text. To write one takes longer than to relay a datagram: those that come again are kept. */
import { networkInterfaces } from 'node:os';
import { interfaceIndex } from '../../sockets/native/libc.ts';
import type { ReceiveBatch } from '../../sockets/native/receive-batch.ts';
import { decodeInet, encodeInet } from '../../sockets/native/sockaddr.ts';

/** Addresses that are kept: sources can be forged, memory is bounded. */
const LIMIT = 4096;

const ipv4 = new Map<number, string>();
const ipv6 = new Map<string, string>();
const texts = new Map<string, string>();

/** IPv4 addresses are plain ones, whatever the socket; zones are names of interfaces. */
export function sourceAddress(batch: ReceiveBatch, index: number): string {
  const word = batch.ipv4(index);
  if (word >= 0) return ipv4.get(word) ?? keep(ipv4, word, decode(batch.name(index)));
  const name = batch.name(index);
  const key = name.toString('latin1', 8, 28);
  return ipv6.get(key) ?? keep(ipv6, key, decode(name));
}

/** A text by another writer in the form that `sourceAddress` gives. */
export function sameAddress(text: string): string {
  if (!text.includes(':')) return text;
  return texts.get(text) ?? keep(texts, text, decode(encodeInet(text, 0, interfaceIndex)));
}

function keep<K>(known: Map<K, string>, key: K, address: string): string {
  if (known.size >= LIMIT) known.clear();
  known.set(key, address);
  return address;
}

function decode(name: Buffer): string {
  const [address = '', index] = (decodeInet(name)?.address ?? '').split('%');
  return index === undefined ? address : `${address}%${interfaceName(Number(index))}`;
}

function interfaceName(index: number): string {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some((address) => address.family === 'IPv6' && address.scopeid === index),
  );
  return found?.[0] ?? String(index);
}
