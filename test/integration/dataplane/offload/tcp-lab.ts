/** What sends and receives over TCP in tests of spliced connections. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { until } from '../../../support/until.ts';
import { namespace, type Place } from './lab.ts';

/** A program in a namespace that talks in lines of JSON. */
export class Talker {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly said: Record<string, unknown>[] = [];
  private stderr = '';

  constructor(place: Place, words: readonly string[]) {
    this.child = spawn('ip', ['netns', 'exec', namespace(place), ...words]);
    this.child.stdin.on('error', () => undefined);
    this.child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()));
    createInterface(this.child.stdout).on('line', (line) =>
      this.said.push(JSON.parse(line) as Record<string, unknown>),
    );
  }

  tell(command: string): void {
    this.child.stdin.write(`${command}\n`);
  }

  /** The next of what it says that has this. */
  async next<T>(name: string): Promise<T> {
    return until(`"${name}" of ${this.child.spawnargs.slice(4, 6).join(' ')} ${this.stderr}`, () => {
      const at = this.said.findIndex((line) => name in line);
      return at >= 0 && (this.said.splice(at, 1)[0] as T);
    });
  }

  async ask<T>(command: string): Promise<T> {
    this.tell(command);
    return (await this.next<{ answer: T }>('answer')).answer;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await gone;
  }
}

export interface Report {
  readonly sent: number;
  readonly received: number;
  readonly sentHash: string;
  readonly receivedHash: string;
  readonly end: string | null;
  /** Bytes that were urgent, each with the number of those before it. They aren't among the others. */
  readonly urgent: readonly (readonly [number, string])[];
}

/** What a peer has sent and received until now. */
export async function report(talker: Talker): Promise<Report> {
  talker.tell('report');
  return talker.next<Report>('report');
}

/** Has one peer send so many bytes, and waits until the other has heard as many more. */
export async function say(talker: Talker, count: number, heard: Talker): Promise<void> {
  const { received } = await report(heard);
  talker.tell(`send ${count}`);
  await until(`${count} bytes`, async () => (await report(heard)).received >= received + count);
}

/**
 * `ROLE ADDRESS PORT [OPTION=NUMBER…]`: connects or listens, sends random bytes and receives, both at a time. What it is told on
 * its standard input: `send N`, `urgent CHARACTER`, `close` (its own half), `options` (of IP, from now on), `reset`, `report`. It prints `ready`, `connected`, and whenever it is
 * told to report, and at the end, JSON of what it sent and received, with hashes.
 *
 * Options: `rcvbuf`, `sndbuf`, `mss` (of segments, both ways), `pause` (ms between reads), `endless` (sends until it is told to close),
 * `nodelay`, `keepalive` (s of silence until it asks whether its peer is there).
 */
export const TCP_PEER = `
import fcntl, hashlib, json, os, queue, select, socket, struct, sys, threading, time
role, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = {name: int(value) for name, value in (word.split('=') for word in sys.argv[4:])}
family = socket.AF_INET6 if ':' in address else socket.AF_INET
first = socket.socket(family, socket.SOCK_STREAM)
first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if 'rcvbuf' in options: first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options['rcvbuf'])
if 'sndbuf' in options: first.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options['sndbuf'])
if 'mss' in options: first.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, options['mss'])
first.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'reno')
def tell(what): print(json.dumps(what), flush=True)
if role == 'server':
    first.bind((address, port)); first.listen(); tell({'ready': True}); s, _ = first.accept(); first.close()
else:
    s = first; s.connect((address, port))
if 'nodelay' in options: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if 'keepalive' in options:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL): s.setsockopt(socket.IPPROTO_TCP, name, options['keepalive'])
tell({'connected': True})
block = os.urandom(1 << 20)
sent, received = hashlib.sha256(), hashlib.sha256()
counts = {'sent': 0, 'received': 0}
result = {'end': None, 'urgent': []}
SIOCATMARK = 0x8905
orders = queue.Queue()
closing = threading.Event()
def send_some(count):
    start = counts['sent'] % 65521
    data = block[start:start + min(count, len(block) - start)]
    data = data[:s.send(data)]
    sent.update(data); counts['sent'] += len(data)
    return len(data)
def sender():
    try:
        while True:
            while options.get('endless') and not closing.is_set(): send_some(1 << 17)
            order = orders.get()
            if order[0] == 'send':
                left = int(order[1])
                while left: left -= send_some(left)
            elif order[0] == 'urgent': s.send(order[1].encode(), socket.MSG_OOB)
            elif order[0] == 'close':
                s.shutdown(socket.SHUT_WR); return
    except OSError as error:
        result['error'] = error.strerror
def at_mark(): return struct.unpack('i', fcntl.ioctl(s, SIOCATMARK, bytes(4)))[0]
def receiver():
    urgent = b''
    try:
        while True:
            if select.select([s], [], [s])[2]: urgent = s.recv(1, socket.MSG_OOB)
            if not urgent or not at_mark():
                data = s.recv(1 << 18)
                if not data: result['end'] = 'closed'; break
                received.update(data); counts['received'] += len(data)
            if urgent and at_mark(): result['urgent'].append((counts['received'], urgent.decode())); urgent = b''
            if 'pause' in options: time.sleep(options['pause'] / 1000)
    except OSError as error:
        result['end'] = error.strerror
def report(kind): tell({kind: True, **counts, **result, 'sentHash': sent.hexdigest(), 'receivedHash': received.hexdigest()})
def commands():
    for line in sys.stdin:
        words = line.split()
        if words[0] == 'report': report('report')
        elif words[0] == 'options': s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 1, 1, 1]))
        elif words[0] == 'reset':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close(); report('reset'); os._exit(0)
        else:
            if words[0] == 'close': closing.set()
            orders.put(words)
threads = [threading.Thread(target=f, daemon=True) for f in (sender, receiver)]
threading.Thread(target=commands, daemon=True).start()
for t in threads: t.start()
threads[1].join()
if result['end'] == 'closed': threads[0].join()
report('done')
s.close()`;
