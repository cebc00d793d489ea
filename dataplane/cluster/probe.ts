/** One health check of one endpoint: TCP connect, an HTTP request, a UDP datagram. */
import { createSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import type { HealthCheck } from '../../gen/l7mp/config/v1/types.ts';
import type { Target } from '../core/protocol.ts';

/** The most bytes of an answer that are looked at. */
const MAX_ANSWER = 16 * 1024;

/** Resolves where the endpoint is well. Rejects with the reason, also after `timeout` or where `signal` aborts. */
export async function probe(target: Target, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(config.timeout)]);
  const port = config.port || target.port;
  switch (config.type) {
    case 'tcp':
      (await connected(target.address, port, limit)).destroy();
      return;
    case 'http':
      return probeHttp(target, port, config, limit);
    case 'udp':
      return probeUdp(target.address, port, config, limit);
  }
}

/** An endpoint with a path is a UNIX socket. */
async function connected(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const local = address.startsWith('/') || address.startsWith('@');
  const socket = connect(local ? { path: address.replace(/^@/u, '\0') } : { host: address, port });
  try {
    await inTime<undefined>(signal, (resolve, reject) => {
      socket.on('error', reject);
      socket.once('connect', () => resolve(undefined));
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function probeHttp(target: Target, port: number, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const socket = await connected(target.address, port, signal);
  try {
    const status = await inTime<number>(signal, (resolve, reject) => {
      let answer = '';
      socket.setEncoding('latin1');
      socket.on('data', (text: string) => {
        answer += text;
        const line = /^HTTP\/1\.[01] (\d{3})/u.exec(answer);
        if (line) resolve(Number(line[1]));
        else if (answer.length > MAX_ANSWER || answer.includes('\n')) reject(new Error('the answer is not HTTP/1.1'));
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was closed without an answer')));
      const host = config.host ?? target.hostname;
      socket.write(`GET ${config.path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\nuser-agent: l7mp\r\n\r\n`);
    });
    const { expected_statuses: expected } = config;
    const well = expected.length > 0 ? expected.includes(status) : status >= 200 && status <= 299;
    if (!well) throw new Error(`expected a status of ${expected.join(', ') || '200 to 299'}, found ${status}`);
  } finally {
    socket.destroy();
  }
}

async function probeUdp(address: string, port: number, config: HealthCheck, signal: AbortSignal): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const expected = bytesOf(config.expect ?? '');
  try {
    await inTime<undefined>(signal, (resolve, reject) => {
      socket.on('error', reject); // a connected socket hears of ICMP errors
      socket.on('message', (answer) => {
        if (answer.subarray(0, expected.length).equals(expected)) resolve(undefined);
        else reject(new Error('the answer does not start as expected'));
      });
      socket.connect(port, address, () => socket.send(bytesOf(config.send ?? '')));
    });
  } finally {
    socket.close();
  }
}

/** Text, or bytes in hexadecimal after `0x`. */
function bytesOf(text: string): Buffer {
  return text.startsWith('0x') ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text);
}

/** A promise that is rejected when the signal aborts. */
function inTime<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(new Error('no answer in time')), { once: true });
    start(resolve, reject);
  });
}
