/**
 * How long a command takes from its start until it ends, or until the proxy that it is answers `/ready`.
 * `node startup.js '{...}'` takes StartupOptions and prints a StartupResult. Runs where the proxy runs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentKb } from '../resident.ts';

export interface StartupOptions {
  readonly command: readonly string[];
  /** Where `/ready` is served on 127.0.0.1; absent: until the command ends. */
  readonly port?: number;
}

export interface StartupResult {
  readonly milliseconds: number;
  /** A second after that; 0 where the command ended. */
  readonly residentKb: number;
}

const LIMIT_MS = 20_000;

/** Whether `GET /ready` is answered by 200. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => socket.write('GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'));
    socket.on('data', (data) => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 200'));
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}

async function measure(child: ChildProcess, port: number | undefined): Promise<StartupResult> {
  const ended = new Promise((resolve) => child.on('exit', resolve));
  if (port === undefined) {
    await ended;
    return { milliseconds: performance.now() - start, residentKb: 0 };
  }
  while (!(await isReady(port))) {
    if (performance.now() > start + LIMIT_MS) throw new Error('the proxy was not ready in time');
    if (child.exitCode !== null) throw new Error(`the proxy ended with code ${child.exitCode}`);
    await sleep(1);
  }
  const milliseconds = performance.now() - start;
  await sleep(1000);
  const memory = residentKb(child.pid ?? 0);
  child.kill('SIGKILL');
  await ended;
  return { milliseconds, residentKb: memory };
}

const { command, port } = JSON.parse(process.argv[2] ?? '{}') as StartupOptions;
const [file = '', ...args] = command;
const start = performance.now();
const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
process.stdout.write(`${JSON.stringify(await measure(child, port))}\n`);
