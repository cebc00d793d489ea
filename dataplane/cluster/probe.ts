/** One health check of one endpoint: TCP connect, an HTTP request, a UDP datagram. */
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { connect, isIPv6, type Socket } from 'node:net';
import type { HealthCheck } from '../../gen/l7mp/config/v1/types.ts';
import type { Target } from '../core/protocol.ts';
import { formatAddress } from '../sockets/addresses.ts';

/** The most bytes that an HTTP status line may have. */
const MAX_STATUS_LINE = 8 * 1024;

/** Resolves where the endpoint is well. Rejects with what is wrong, or with the signal's reason when it aborts. */
export async function probe(target: Target, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const port = config.port || target.port;
  switch (config.type) {
    case 'tcp':
      return target.address.startsWith('@') ? probeAbstract(target.address) : probeConnect(target, port, signal);
    case 'http':
      return probeHttp(target, port, config, signal);
    case 'udp':
      return probeUdp(target, port, config, signal);
  }
}

/** A promise that the signal's abort rejects, too. */
function unlessAborted<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    start(resolve, reject);
  });
}

/** A socket that is being connected; an endpoint with a path is a UNIX socket. */
function dial({ address, bind }: Target, port: number): Socket {
  if (address.includes('/')) return connect({ path: address });
  return connect({ host: address, port, ...(bind?.address !== undefined && { localAddress: bind.address }) });
}

async function probeConnect(target: Target, port: number, signal: AbortSignal): Promise<void> {
  const socket = dial(target, port);
  try {
    await unlessAborted<undefined>(signal, (resolve, reject) => {
      socket.once('connect', () => resolve(undefined));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // A socket of another type has the path: datagram and seqpacket endpoints are there, too.
        if (error.code === 'EPROTOTYPE') resolve(undefined);
        else reject(error);
      });
    });
  } finally {
    socket.destroy();
  }
}

/**
 * Whether there is a UNIX socket of an abstract name, by the kernel's list (net/unix/af_unix.c, unix_seq_show): Node.js
 * fills names up with zeros before it connects, and zeros count.
 */
async function probeAbstract(name: string): Promise<void> {
  const lines = (await readFile('/proc/net/unix', 'latin1')).split('\n');
  const found = lines.some((line) => {
    const [, , , flags = '', type, , , path = ''] = line.split(/ +/u);
    const accepts = (parseInt(flags, 16) & ACCEPTS) !== 0 || type === DGRAM;
    return accepts && path.replace(/@+$/u, '') === name; // zeros are shown as @
  });
  if (!found) throw new Error(`there is no socket ${name}`);
}

/** `__SO_ACCEPTCON` of linux/net.h. */
const ACCEPTS = 0x10000;
const DGRAM = '0002';

async function probeHttp(target: Target, port: number, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const socket = dial(target, port);
  const host = config.host ?? (target.address.includes('/') ? 'localhost' : formatAddress(target.hostname, port));
  try {
    const status = await unlessAborted<number>(signal, (resolve, reject) => {
      let answer = '';
      socket.setEncoding('latin1');
      socket.on('data', (text: string) => {
        answer += text;
        const line = /^HTTP\/1\.[01] (\d{3})(?=[ \r\n])/u.exec(answer);
        if (line) resolve(Number(line[1]));
        else if (answer.includes('\n') || answer.length > MAX_STATUS_LINE)
          reject(new Error('expected the status line of an HTTP/1.1 answer, found something else'));
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was closed without an answer')));
      socket.write(`GET ${config.path} HTTP/1.1\r\nhost: ${host}\r\nuser-agent: l7mp\r\nconnection: close\r\n\r\n`);
    });
    const { expected_statuses: expected } = config;
    const well = expected.length > 0 ? expected.includes(status) : status >= 200 && status <= 299;
    if (!well) throw new Error(`expected a status of ${expected.join(', ') || '200 to 299'}, found ${status}`);
  } finally {
    socket.destroy();
  }
}

async function probeUdp(target: Target, port: number, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const { address, bind } = target;
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const expected = bytesOf(config.expect ?? '');
  try {
    await unlessAborted<undefined>(signal, (resolve, reject) => {
      socket.on('error', reject); // a connected socket hears of ICMP errors
      socket.on('message', (answer) => {
        if (answer.subarray(0, expected.length).equals(expected)) resolve(undefined);
        else reject(new Error('the answer does not start as expected'));
      });
      const ask = (): void => socket.connect(port, address, () => socket.send(bytesOf(config.send ?? '')));
      if (bind?.address === undefined) ask();
      else socket.bind({ address: bind.address }, ask);
    });
  } finally {
    socket.close();
  }
}

/** Text, or bytes in hexadecimal after `0x`. */
function bytesOf(text: string): Buffer {
  return text.startsWith('0x') ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text);
}
