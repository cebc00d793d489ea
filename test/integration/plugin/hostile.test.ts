/** Whatever a plugin gets wrong ends its session, by name, and nothing else. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const PLUGIN = 'test/integration/plugin/hostile.mjs';

/** Sends a word, ends, and prints what comes until the end. */
const CLIENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); s.settimeout(10)
got = b''
try:
    s.sendall(b'hello')
    s.shutdown(socket.SHUT_WR)
    while chunk := s.recv(65536): got += chunk
except OSError: pass
print(got.decode())`;

/** What is wrong with the stream of a listener, and what its session says of it. */
const OF_LISTENER: Readonly<Record<string, string>> = {
  framing: 'framing: boom',
  open: 'open: boom',
  'open-async': 'open: boom',
  connected: 'connected: boom',
  'connected-async': 'connected: boom',
  write: 'write: boom',
  'write-unspeakable': 'write: threw what is no error',
  end: 'end: boom',
  'end-async': 'end: boom',
  text: 'sink.data: expected a Buffer, found string',
  callback: 'a callback: boom',
};

/** The same of a cluster. */
const OF_CLUSTER: Readonly<Record<string, string>> = {
  connect: 'connect: boom',
  'connect-nothing': 'connect: expected a stream, found undefined',
  'connect-later': 'connect: boom',
  framing: 'framing: boom',
  adoptFraming: 'adoptFraming: boom',
  open: 'open: boom',
  'open-async': 'open: boom',
  write: 'write: boom',
  'write-async': 'write: boom',
  end: 'end: boom',
  text: 'sink.data: expected a Buffer, found string',
  timer: 'a callback: boom',
};

interface Session {
  readonly status: string;
  readonly events: readonly { readonly event: string; readonly message: string }[];
}

describe(`a hostile plugin, loaded by the built command, with ${versionOf(PYTHON, '--version')}`, () => {
  let directory: string;
  let file: string;
  let proxy: Peer;
  let api: string;
  let addresses: Readonly<Record<string, string>>;

  const listener = (name: string, fault: string | undefined, cluster: object): object => ({
    name,
    spec: fault === undefined ? { protocol: 'TCP', address: '127.0.0.1', port: 0 } : { protocol: 'Hostile', fault },
    options: { track: 600 },
    rules: [{ action: { route: { destination: { name: `${name}-cluster`, ...cluster }, timeouts: { connect: 50 } } } }],
  });
  const echo = { spec: { protocol: 'Echo' } };
  const hostile = (fault: string): object => ({ spec: { protocol: 'Hostile', fault } });
  const config = {
    admin: { api: { port: 0 } },
    listeners: [
      listener('plain', undefined, echo),
      ...Object.keys(OF_LISTENER).map((fault) => listener(`in-${fault}`, fault, echo)),
      ...Object.keys(OF_CLUSTER).map((fault) => listener(`out-${fault}`, undefined, hostile(fault))),
      ...['destroy', 'deaf', 'refuse'].map((fault) => listener(fault, fault, hostile('connect'))),
      listener('metadata', 'metadata', echo),
      listener('no-stream', 'no-stream', echo),
      listener('abort', undefined, hostile('abort')),
    ],
  };

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-hostile-'));
    file = join(directory, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    proxy = new Peer('bin/l7mp', ['proxy', '-c', file, '--plugin', PLUGIN]);
    const [, found = '', address = ''] = await proxy.output(/"listeners":(\{[^}]*\}),"api":"([^"]+)"/u);
    addresses = JSON.parse(found) as typeof addresses;
    api = `http://${address}/api/v1`;
  });
  after(async () => {
    await proxy.stop();
    rmSync(directory, { recursive: true });
  });

  async function client(name: string): Promise<string> {
    const peer = new Peer(PYTHON, ['-c', CLIENT, addresses[name]?.split(':')[1] ?? '']);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout.trim();
  }

  async function sessionsOf(name: string): Promise<readonly Session[]> {
    const response = await fetch(`${api}/sessions?listener=${name}`);
    return (await response.json()) as readonly Session[];
  }

  /** The sessions of a listener, once it has had one and none of them lives. */
  async function ended(name: string): Promise<readonly Session[]> {
    return until(`the sessions of ${name} to be over`, async () => {
      const sessions = await sessionsOf(name);
      return sessions.length > 0 && sessions.every(({ status }) => status === 'DESTROYED') && sessions;
    });
  }

  function messages(sessions: readonly Session[]): string {
    return sessions.flatMap(({ events }) => events.map(({ message }) => message)).join('\n');
  }

  for (const [fault, message] of Object.entries(OF_LISTENER)) {
    it(`ends the session where a listener's stream fails: ${fault}`, async () => {
      await client(`in-${fault}`);
      expect(messages(await ended(`in-${fault}`))).to.contain(`protocol Hostile: ${message}`);
    });
  }

  for (const [fault, message] of Object.entries(OF_CLUSTER)) {
    it(`ends the session where a cluster's stream fails: ${fault}`, async () => {
      await client(`out-${fault}`);
      expect(messages(await ended(`out-${fault}`))).to.contain(`protocol Hostile: ${message}`);
    });
  }

  for (const [fault, what] of [
    ['destroy', 'can not be ended'],
    ['refuse', 'can not be told why'],
    ['deaf', 'does not say that it is closed'],
  ] as const) {
    it(`ends the session where the client's stream ${what}`, async () => {
      const peer = new Peer(PYTHON, ['-c', CLIENT, addresses[fault]?.split(':')[1] ?? '']);
      await ended(fault);
      await peer.stop();
    });
  }

  it('takes no session without a stream, or with metadata that can not be JSON', async () => {
    for (const name of ['no-stream', 'metadata']) {
      expect(await client(name)).to.equal('');
      expect(await sessionsOf(name)).to.deep.equal([]);
    }
  });

  it('gives up an attempt to connect whose end the plugin does not take well', async () => {
    await client('abort');
    expect(messages(await ended('abort'))).to.contain('is not connected after 50 ms');
  });

  it('takes another configuration, and ends, though closing what goes does not come to its end', async () => {
    const own = join(directory, 'close.json');
    const [plain, ...stuck] = [
      listener('plain', undefined, echo),
      ...['one', 'two', 'three'].map((name) => listener(name, 'close', hostile('close'))),
    ];
    const write = (listeners: readonly unknown[]): void =>
      writeFileSync(own, JSON.stringify({ listeners: [plain, ...listeners] }));
    write(stuck);
    const other = new Peer('bin/l7mp', ['proxy', '-c', own, '--plugin', PLUGIN, '--no-api']);
    try {
      await other.output(/ready/u);
      write(stuck.slice(1));
      await other.output(/configuration reloaded/u);
      expect(other.stdout + other.stderr).to.match(/protocol Hostile: close: has not ended in \d+ ms/u);
      other.signal('SIGTERM');
      expect(await other.exit).to.equal(0);
    } finally {
      await other.stop();
    }
  }).timeout(40_000);

  it('takes another configuration, though what goes can not be closed', async () => {
    expect(await client('plain')).to.equal('hello');
    writeFileSync(file, JSON.stringify({ ...config, listeners: config.listeners.slice(0, 1) }));
    await proxy.output(/configuration reloaded/u);
    expect(await client('plain')).to.equal('hello');
    proxy.signal('SIGTERM');
    expect(await proxy.exit).to.equal(0);
    expect(proxy.stdout + proxy.stderr)
      .to.contain('a plugin has failed')
      .and.contain('hostile.mjs');
  });
});
