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

export type LoadProtocol = 'TCP' | 'UDP' | 'WebSocket';

/** How long one number may take, in ms: a packet that was lost doesn't come later. */
const LIMIT = 3000;
const PAUSE = 2;

/** Servers that give back what they are sent; gives their ports. */
export async function echoServers(cleanup: Closers): Promise<{ readonly tcp: number; readonly udp: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  cleanup.add(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return { tcp: (server.address() as AddressInfo).port, udp: socket.address().port };
}

/** Opens a session to a listener, and uses it until `end`. */
export async function useSession(protocol: LoadProtocol, port: number): Promise<Used> {
  const line = await OPEN[protocol](port);
  let count = 0;
  let fault: string | undefined;
  const ending = new AbortController();
  line.onEnd = (reason) => {
    if (!ending.signal.aborted) fault ??= reason;
  };
  const run = (async () => {
    while (!ending.signal.aborted && fault === undefined) {
      const sent = `${count}\n`;
      fault ??= await answerTo(line, sent);
      if (fault === undefined) count++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  })();
  return {
    get count() {
      return count;
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
export async function useOnce(protocol: LoadProtocol, port: number): Promise<void> {
  const line = await OPEN[protocol](port);
  line.onEnd = () => undefined;
  const fault = await answerTo(line, 'once\n');
  line.close();
  if (fault !== undefined) throw new Error(fault);
}

/** Sends a text and waits for it to come back; gives what went wrong. */
function answerTo(line: Line, sent: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let found = '';
    const timer = setTimeout(() => resolve(`expected ${JSON.stringify(sent)}, found nothing in ${LIMIT} ms`), LIMIT);
    const { onEnd } = line;
    const done = (fault?: string): void => {
      clearTimeout(timer);
      line.onEnd = onEnd;
      resolve(fault);
    };
    line.onText = (text) => {
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

const OPEN: Readonly<Record<LoadProtocol, (port: number) => Promise<Line>>> = {
  async TCP(port) {
    const socket = connect(port, '127.0.0.1');
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
  async UDP(port) {
    const socket = createSocket('udp4');
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const line = idle(
      (text) => socket.send(text),
      () => socket.close(),
    );
    socket.on('message', (data) => line.onText(data.toString()));
    socket.on('error', (error) => line.onEnd(error.message));
    return line;
  },
  async WebSocket(port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
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
