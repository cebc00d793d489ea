/** Sessions that are used all the time: each sends numbers, and has to get every one of them back, in order. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import WebSocket from 'ws';
import type { Closers } from './grpc.ts';

/** A session in use. */
export interface Used {
  /** How many numbers came back. */
  readonly count: number;
  /** How many had to be sent again: see `again`. */
  readonly repeated: number;
  /** What went wrong first. */
  readonly fault: string | undefined;
  /** Stops; all that was sent has come back then. */
  end(): Promise<void>;
}

/** A connection to something that gives back what it is sent. */
interface Line {
  send(text: string): void;
  onText: (text: string) => void;
  onEnd: (reason: string) => void;
  close(): void;
}

const LOOPBACK = '127.0.0.1';

export type LoadProtocol = 'TCP' | 'UDP' | 'WebSocket';

/** Where a session leads, and how it is used. */
export interface UseOptions {
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** Of WebSocket; `/` when absent. */
  readonly path?: string;
  /** Between two numbers, in ms. 2 when absent. */
  readonly pause?: number;
  /** A datagram without an answer is sent again after so many ms, as clients of UDP do; when absent it is not. */
  readonly again?: number;
}

/** How long one number may take, in ms: a packet that was lost doesn't come later. */
const LIMIT = 3000;
const PAUSE = 2;

/** Servers that give back what they are sent; gives their ports. */
export async function echoServers(cleanup: Closers): Promise<{ readonly tcp: number; readonly udp: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  cleanup.add(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
  cleanup.add(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return { tcp: (server.address() as AddressInfo).port, udp: socket.address().port };
}

/** Opens a session to a listener, and uses it until `end`. */
export async function useSession(protocol: LoadProtocol, port: number, options: UseOptions = {}): Promise<Used> {
  const { pause = PAUSE } = options;
  const again = protocol === 'UDP' ? options.again : undefined;
  const line = await OPEN[protocol](port, options);
  let count = 0;
  let repeated = 0;
  let fault: string | undefined;
  const ending = new AbortController();
  line.onEnd = (reason) => {
    if (!ending.signal.aborted) fault ??= reason;
  };
  const run = (async () => {
    while (!ending.signal.aborted && fault === undefined) {
      const sent = `${count}\n`;
      fault ??= await answerTo(line, sent, again, () => repeated++);
      if (fault === undefined) count++;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  })();
  return {
    get count() {
      return count;
    },
    get repeated() {
      return repeated;
    },
    get fault() {
      return fault;
    },
    async end() {
      ending.abort();
      await run;
      line.close();
    },
  };
}

/** A session of one number; rejects where it doesn't come back. */
export async function useOnce(protocol: LoadProtocol, port: number, options: UseOptions = {}): Promise<void> {
  const line = await OPEN[protocol](port, options);
  line.onEnd = () => undefined;
  const fault = await answerTo(line, 'once\n');
  line.close();
  if (fault !== undefined) throw new Error(fault);
}

/** Sends a text and waits for it to come back; gives what went wrong. `again`: see `UseOptions`. */
function answerTo(line: Line, sent: string, again?: number, onAgain?: () => void): Promise<string | undefined> {
  return new Promise((resolve) => {
    let found = '';
    const timer = setTimeout(
      () => done(`expected ${JSON.stringify(sent)}, found ${JSON.stringify(found)} in ${LIMIT} ms`),
      LIMIT,
    );
    const repeating =
      again === undefined
        ? undefined
        : setInterval(() => {
            onAgain?.();
            line.send(sent);
          }, again);
    const { onEnd } = line;
    const done = (fault?: string): void => {
      clearTimeout(timer);
      clearInterval(repeating);
      line.onEnd = onEnd;
      resolve(fault);
    };
    line.onText = (text) => {
      // The second answer to what was sent twice, for which nobody waits any more.
      if (again !== undefined && Number(text) < Number(sent)) return;
      found += text;
      if (found.length < sent.length) return;
      done(found === sent ? undefined : `expected ${JSON.stringify(sent)}, found ${JSON.stringify(found)}`);
    };
    line.onEnd = (reason) => {
      onEnd(reason);
      done(reason);
    };
    line.send(sent);
  });
}

const OPEN: Readonly<Record<LoadProtocol, (port: number, options: UseOptions) => Promise<Line>>> = {
  async TCP(port, { host = LOOPBACK }) {
    const socket = connect(port, host);
    await once(socket, 'connect');
    const line = idle(
      (text) => void socket.write(text),
      () => socket.destroy(),
    );
    socket.on('data', (data) => line.onText(data.toString()));
    socket.on('error', (error) => line.onEnd(error.message));
    socket.on('close', () => line.onEnd('it was closed'));
    return line;
  },
  async UDP(port, { host = LOOPBACK }) {
    const socket = createSocket('udp4');
    socket.connect(port, host);
    await once(socket, 'connect');
    const line = idle(
      (text) => socket.send(text),
      () => socket.close(),
    );
    socket.on('message', (data) => line.onText(data.toString()));
    socket.on('error', (error) => line.onEnd(error.message));
    return line;
  },
  async WebSocket(port, { host = LOOPBACK, path = '/' }) {
    const socket = new WebSocket(`ws://${host}:${port}${path}`);
    await once(socket, 'open');
    const line = idle(
      (text) => socket.send(text),
      () => socket.terminate(),
    );
    socket.on('message', (data: Buffer) => line.onText(data.toString()));
    socket.on('error', (error) => line.onEnd(error.message));
    socket.on('close', () => line.onEnd('it was closed'));
    return line;
  },
};

function idle(send: Line['send'], close: Line['close']): Line {
  return { send, close, onText: () => undefined, onEnd: () => undefined };
}
