/**
 * Opens idle TCP sessions through a proxy and watches its memory.
 * `node sessions.js '{...}'` takes SessionsOptions and prints a SessionsResult.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { residentKb } from '../resident.ts';
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

export interface SessionsOptions {
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly sessions: number;
  readonly proxyPid: number;
}

export interface SessionsResult {
  readonly beforeKb: number;
  readonly afterKb: number;
}

/** Sessions being opened at once. */
const PACE = 100;
const SETTLE_MS = 2000;
const NON_BLOCKING = 0o4000;

const options = JSON.parse(process.argv[2] ?? '{}') as SessionsOptions;
const poller = new Poller();
const data = Buffer.alloc(256, 'd');

/** Opens sessions until `count` have had a message there and back. */
function open(count: number): number[] {
  const done: number[] = [];
  let begun = 0;
  const receive = (fd: number): void => {
    if (read(fd, data, data.length) <= 0) throw new Error('the proxy closed a session');
    done.push(fd);
  };
  const deadline = performance.now() + 30_000;
  while (done.length < count) {
    for (; begun < count && begun - done.length < PACE; begun++) {
      poller.add(tcpConnect(options.targetAddress, options.targetPort), WRITABLE, (fd) => {
        poller.add(fd, READABLE, receive);
        write(fd, data, 64);
      });
    }
    poller.poll(10);
    if (performance.now() > deadline) throw new Error(`only ${done.length} of ${count} sessions were opened`);
  }
  return done;
}

/** Waits, serving what the proxy does meanwhile. */
async function settle(): Promise<void> {
  for (const end = performance.now() + SETTLE_MS; performance.now() < end; await sleep(10)) poller.poll(0);
}

enterNamespace(options.serverNamespace);
poller.add(tcpListen(options.serverAddress, options.serverPort), READABLE, (listener) => {
  for (let fd = accept(listener, null, null, NON_BLOCKING); fd >= 0;) {
    poller.add(fd, READABLE, (connection) => {
      const length = read(connection, data, data.length);
      if (length > 0) write(connection, data, length);
      else close(connection);
    });
    fd = accept(listener, null, null, NON_BLOCKING);
  }
});
enterNamespace(options.clientNamespace);
// What any first sessions cost (code, caches) is not a session's.
for (const fd of open(200)) close(fd);
await settle();
const beforeKb = residentKb(options.proxyPid);
open(options.sessions);
await settle();
const result: SessionsResult = { beforeKb, afterKb: residentKb(options.proxyPid) };
process.stdout.write(`${JSON.stringify(result)}\n`);
