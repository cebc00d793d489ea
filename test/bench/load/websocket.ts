/**
 * WebSocket echoes, one under way on each connection; client and server in one process, so that nothing but the proxy
 * competes with it. `node websocket.js '{...}'` takes WebSocketOptions and prints a WebSocketResult.
 */
import { createHash } from 'node:crypto';
import {
  accept,
  close,
  enterNamespace,
  Poller,
  read,
  READABLE,
  tcpConnect,
  tcpListen,
  WRITABLE,
  write,
} from './syscalls.ts';

export interface WebSocketOptions {
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly connections: number;
  readonly milliseconds: number;
}

export interface WebSocketResult {
  /** Messages a second that the proxy passed on: two an echo. */
  readonly rate: number;
}

const PAYLOAD = 100;
/** A frame's header with a length below 126, without and with a mask (RFC 6455, 5.2). */
const UNMASKED = 2;
const MASKED = 6;
const WARM_UP_MS = 2000;
const NON_BLOCKING = 0o4000;
const END_OF_HEADERS = '\r\n\r\n';

const options = JSON.parse(process.argv[2] ?? '{}') as WebSocketOptions;
const poller = new Poller();
const input = Buffer.alloc(64 * 1024);

function send(fd: number, data: Buffer): void {
  if (write(fd, data, data.length) < data.length) throw new Error('a connection was lost');
}

/** Answers frames of PAYLOAD bytes; what is longer or shorter is a fault of the proxy. */
function serve(): (fd: number) => void {
  let upgraded = false;
  let filled = 0;
  const frame = Buffer.alloc(MASKED + PAYLOAD);
  const answer = Buffer.alloc(UNMASKED + PAYLOAD);
  answer.writeUInt16BE(0x8200 + PAYLOAD);
  return (fd) => {
    const length = read(fd, input, input.length);
    if (length === 0) close(fd);
    if (length <= 0) return;
    if (!upgraded) {
      send(fd, handshake(input.toString('latin1', 0, length)));
      upgraded = true;
      return;
    }
    if (filled + length > frame.length) throw new Error('the server got more than one frame');
    input.copy(frame, filled, 0, length);
    filled += length;
    if (filled < frame.length) return;
    filled = 0;
    if (frame.readUInt16BE() !== 0x8280 + PAYLOAD) throw new Error('the server got another frame than was sent');
    for (let i = 0; i < PAYLOAD; i++) answer[UNMASKED + i] = frame[MASKED + i]! ^ frame[UNMASKED + (i & 3)]!;
    send(fd, answer);
  };
}

function handshake(request: string): Buffer {
  const key = /sec-websocket-key: *(\S+)/i.exec(request)?.[1];
  if (key === undefined || !request.endsWith(END_OF_HEADERS)) throw new Error(`expected an upgrade, found ${request}`);
  const digest = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return Buffer.from(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${digest}${END_OF_HEADERS}`,
  );
}

let opened = 0;
let echoes = 0;
const message = Buffer.alloc(MASKED + PAYLOAD, 'm');
message.writeUInt16BE(0x8280 + PAYLOAD);
const upgrade = Buffer.from(
  'GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Key: ${Buffer.alloc(16, 'k').toString('base64')}${END_OF_HEADERS}`,
);

/** Sends the next message when the answer to the last one has come. */
function open(): void {
  let upgraded = false;
  let left = UNMASKED + PAYLOAD;
  const receive = (fd: number): void => {
    const length = read(fd, input, input.length);
    if (length < 0) return;
    if (length === 0) throw new Error('the proxy closed a connection');
    if (!upgraded) {
      const response = input.toString('latin1', 0, length);
      if (!response.startsWith('HTTP/1.1 101') || !response.endsWith(END_OF_HEADERS)) throw new Error(response);
      upgraded = true;
      opened++;
    } else {
      left -= length;
      if (left > 0) return;
      if (left < 0 || input[0] !== 0x82) throw new Error('the client got another frame than was sent');
      left = UNMASKED + PAYLOAD;
      echoes++;
    }
    send(fd, message);
  };
  poller.add(tcpConnect(options.targetAddress, options.targetPort), WRITABLE, (fd) => {
    poller.add(fd, READABLE, receive);
    send(fd, upgrade);
  });
}

enterNamespace(options.serverNamespace);
poller.add(tcpListen(options.serverAddress, options.serverPort), READABLE, (listener) => {
  for (let fd = accept(listener, null, null, NON_BLOCKING); fd >= 0;) {
    poller.add(fd, READABLE, serve());
    fd = accept(listener, null, null, NON_BLOCKING);
  }
});
enterNamespace(options.clientNamespace);
for (let i = 0; i < options.connections; i++) open();
for (const deadline = performance.now() + 5000; opened < options.connections; poller.poll(10)) {
  if (performance.now() > deadline) throw new Error(`only ${opened} of ${options.connections} connections were opened`);
}
for (const end = performance.now() + WARM_UP_MS; performance.now() < end;) poller.poll(0);
const before = echoes;
const start = performance.now();
while (performance.now() < start + options.milliseconds) poller.poll(0);
const rate = ((echoes - before) * 2000) / (performance.now() - start);
const result: WebSocketResult = { rate };
process.stdout.write(`${JSON.stringify(result)}\n`);
