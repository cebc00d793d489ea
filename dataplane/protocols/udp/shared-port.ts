/** A UDP port that several sockets have (SO_REUSEPORT): Node.js 20 has no word for it, so the system calls are made here. */
import { isIPv6 } from 'node:net';
import { bind, close, setOption, SOCK_DGRAM, socket, SOL_SOCKET } from '../../sockets/native/libc.ts';

// linux/socket.h, asm-generic/socket.h, linux/in6.h
const AF_INET = 2;
const AF_INET6 = 10;
const SO_REUSEPORT = 15;

/** The descriptor of a bound socket. @throws ProxyError */
export function bindShared(address: string, port: number): number {
  const fd = socket(isIPv6(address) ? AF_INET6 : AF_INET, SOCK_DGRAM);
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    bind(fd, socketAddress(address, port), `${address} port ${port}`);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** `struct sockaddr_in` or `struct sockaddr_in6` (ip(7), ipv6(7)). */
function socketAddress(address: string, port: number): Buffer {
  if (!isIPv6(address)) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    bytes.set(address.split('.').map(Number), 4);
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  groupsOf(address).forEach((group, index) => bytes.writeUInt16BE(group, 8 + 2 * index));
  return bytes;
}

/** The eight groups of an IPv6 address, whose zone is left out. */
function groupsOf(address: string): number[] {
  const plain = (address.split('%')[0] ?? '').replace(/\d+\.\d+\.\d+\.\d+$/u, (dotted) => {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = [], tail = []] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = new Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail].map((group) => parseInt(group, 16));
}
