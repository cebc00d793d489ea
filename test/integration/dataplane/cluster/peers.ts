/** Servers that are not ours, killed and revived at the same place. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A server process: its first line on stdout or stderr that matches `ready` says that it serves. */
export class Peer {
  private readonly command: readonly string[];
  private readonly ready: RegExp;
  private child: ChildProcess | undefined;

  constructor(command: readonly string[], ready: RegExp) {
    this.command = command;
    this.ready = ready;
  }

  /** Resolves with what `ready` captured. */
  async start(): Promise<string> {
    const [file = '', ...args] = this.command;
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    return new Promise((resolve, reject) => {
      let said = '';
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        const found = this.ready.exec(said);
        if (found) resolve(found[1] ?? '');
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`${file} ended: ${said}`)));
    });
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
}

/** An HTTP server of a directory. Captures its port. */
export function httpServer(directory: string, port: number | string = 0): Peer {
  const command = ['python3', '-u', '-m', 'http.server', String(port), '--bind', '127.0.0.1', '--directory', directory];
  return new Peer(command, /port (\d+)/u);
}

/** A TCP server that says its name to each client, then echoes. Captures its port. */
export function greeter(name: string, port: number | string = 0): Peer {
  const listen = `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork`;
  return new Peer(['socat', '-d', '-d', listen, `SYSTEM:echo ${name}; cat`], /listening on AF=2 127\.0\.0\.1:(\d+)/u);
}

/** Answers each datagram with `pong:` and what it said, or, asked `who`, who said it. Captures its port. */
export function udpServer(port: number | string = 0, host = '127.0.0.1'): Peer {
  const program = `
import socket
s = socket.socket(socket.AF_INET6 if ':' in '${host}' else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('${host}', ${port}))
print('port', s.getsockname()[1], flush=True)
while True:
    data, peer = s.recvfrom(65535)
    s.sendto(b'pong:' + (peer[0].encode() if data == b'who' else data), peer)
`;
  return new Peer(['python3', '-c', program], /port (\d+)/u);
}

/** Takes and keeps what comes to a UNIX socket of a type (`STREAM`, `DGRAM`, `SEQPACKET`); `@` is the abstract name space. */
export function unixServer(type: string, path: string): Peer {
  const program = `
import signal, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_${type})
s.bind(${JSON.stringify(path)}.replace('@', '\\0', 1) if ${JSON.stringify(path)}.startswith('@') else ${JSON.stringify(path)})
if '${type}' != 'DGRAM': s.listen()
print('ready', flush=True)
signal.pause()
`;
  return new Peer(['python3', '-c', program], /ready/u);
}

/** Answers every TCP client with these bytes, then closes. Captures its port. */
export function canned(answer: string, port: number | string = 0): Peer {
  const program = `
import socket
s = socket.create_server(('127.0.0.1', ${port}))
print('port', s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    c.recv(65535)
    try: c.sendall(${JSON.stringify(answer)}.encode('latin1'))
    except OSError: pass
    c.close()
`;
  return new Peer(['python3', '-c', program], /port (\d+)/u);
}

export function versionOf(command: string, ...args: readonly string[]): string {
  const said = execFileSync(command, args, { encoding: 'utf8' });
  return /\d+(\.\d+)+/u.exec(said)?.[0] ?? said.trim();
}
