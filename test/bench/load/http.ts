/**
 * HTTP/1.1 requests at a steady rate, and their latency; client and server in one process, so that nothing but the
 * proxy competes with it. `node http.js '{...}'` takes HttpOptions and prints an HttpResult.
 */
import { Samples } from './samples.ts';
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

export interface HttpOptions {
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly connections: number;
  /** Requests a second. */
  readonly rate: number;
  readonly milliseconds: number;
}

export interface HttpResult {
  readonly answered: number;
  /** Microseconds, from when a request was due. */
  readonly p50: number;
  readonly p99: number;
}

const BODY = 1024;
const WARM_UP_MS = 2000;
/** How long the last answers may take. */
const LAST_MS = 2000;
const NON_BLOCKING = 0o4000;
const END_OF_HEADERS = Buffer.from('\r\n\r\n');

const options = JSON.parse(process.argv[2] ?? '{}') as HttpOptions;
const poller = new Poller();
const input = Buffer.alloc(64 * 1024);

function startServer(): void {
  const headers = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY}\r\n\r\n`;
  const answer = Buffer.from(headers + 'x'.repeat(BODY));
  const serve = (fd: number): void => {
    const length = read(fd, input, input.length);
    // A connection has one request at a time, so a request that came in pieces ends with its last one.
    if (length > 4 && input.subarray(length - 4, length).equals(END_OF_HEADERS)) write(fd, answer, answer.length);
    else if (length === 0) close(fd);
  };
  poller.add(tcpListen(options.serverAddress, options.serverPort), READABLE, (listener) => {
    for (let fd = accept(listener, null, null, NON_BLOCKING); fd >= 0;) {
      poller.add(fd, READABLE, serve);
      fd = accept(listener, null, null, NON_BLOCKING);
    }
  });
}

interface Connection {
  readonly fd: number;
  /** When its request was due, in ms from the start. */
  due: number;
  /** Bytes of the response that have not come; 0 before its headers. */
  left: number;
}

const request = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n');
const idle: Connection[] = [];
/** Requests that were due when every connection was busy; they wait from `waitingFrom` on. */
const waiting: number[] = [];
let waitingFrom = 0;
let start = 0;
let answered = 0;
const samples = new Samples(Math.ceil((options.rate * options.milliseconds) / 1000) + 1);

function send(connection: Connection, due: number): void {
  connection.due = due;
  if (write(connection.fd, request, request.length) < 0) throw new Error('a connection was lost');
}

function receive(connection: Connection): void {
  const length = read(connection.fd, input, input.length);
  if (length < 0) return;
  if (length === 0) throw new Error('the proxy closed a connection');
  if (connection.left === 0) {
    const end = input.indexOf(END_OF_HEADERS);
    const headers = input.toString('latin1', 0, end);
    if (end < 0 || end > length || !headers.startsWith('HTTP/1.1 200') || !/content-length: 1024\b/i.test(headers)) {
      throw new Error(`expected a whole 200 response with Content-Length, found ${headers.slice(0, 500)}`);
    }
    connection.left = end + 4 + BODY;
  }
  connection.left -= length;
  if (connection.left > 0) return;
  if (connection.due >= WARM_UP_MS) {
    answered++;
    samples.add((performance.now() - start - connection.due) * 1000);
  }
  if (waitingFrom < waiting.length) send(connection, waiting[waitingFrom++] ?? 0);
  else idle.push(connection);
}

function connectAll(): void {
  for (let i = 0; i < options.connections; i++) {
    const connection: Connection = { fd: tcpConnect(options.targetAddress, options.targetPort), due: 0, left: 0 };
    poller.add(connection.fd, WRITABLE, (fd) => {
      poller.add(fd, READABLE, () => receive(connection));
      idle.push(connection);
    });
  }
  const deadline = performance.now() + 5000;
  while (idle.length < options.connections) {
    poller.poll(10);
    if (performance.now() > deadline) throw new Error('the proxy does not accept connections');
  }
}

enterNamespace(options.serverNamespace);
startServer();
enterNamespace(options.clientNamespace);
connectAll();
start = performance.now();
const end = WARM_UP_MS + options.milliseconds;
let sent = 0;
let expected = 0;
for (let elapsed = 0; elapsed < end || (answered < expected && elapsed < end + LAST_MS);) {
  elapsed = performance.now() - start;
  for (let due = (sent * 1000) / options.rate; due <= elapsed && due < end; due = (sent * 1000) / options.rate) {
    const connection = idle.pop();
    if (connection) send(connection, due);
    else waiting.push(due);
    sent++;
    if (due >= WARM_UP_MS) expected++;
  }
  poller.poll(0);
}
const [p50 = NaN, p99 = NaN] = samples.quantiles(0.5, 0.99);
if (answered < expected) throw new Error(`${expected - answered} of ${expected} requests were not answered`);
const result: HttpResult = { answered, p50, p99 };
process.stdout.write(`${JSON.stringify(result)}\n`);
