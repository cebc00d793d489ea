import { expect } from 'chai';
import { connect, type Socket } from 'node:net';
import { ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

/** What the proxy may have open: more than modules that are loaded at the same time. */
const LIMIT = 200;

const local = { address: '127.0.0.1', port: 0 };
const CONFIG = {
  admin: { access_log_path: 'stdout', access_log_format: '%LISTENER% %REASON%', api: { port: 0 } },
  listeners: [
    {
      name: 'in',
      spec: { protocol: 'TCP', ...local },
      rules: [{ action: { route: { destination: { name: 'back', spec: { protocol: 'Echo' } } } } }],
    },
    {
      name: 'packets',
      spec: { protocol: 'UnixSeqpacket', filename: '@l7mp-descriptors-test' },
      rules: [{ action: { route: { destination: 'back' } } }],
    },
    {
      name: 'child',
      spec: { protocol: 'UDP', ...local },
      rules: [{ action: { route: { destination: { spec: { protocol: 'StdioFork', command: 'cat' } } } } }],
    },
  ],
};

describe(`a proxy without free descriptors, with ${versionOf('socat', '-V')} and ${versionOf('curl', '--version')}`, () => {
  let proxy: ProxyProcess;
  let client: Peer;
  const flood: Socket[] = [];

  beforeEach(async () => {
    proxy = await ProxyProcess.start(CONFIG, [], `ulimit -n ${LIMIT};`);
    client = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port()}`]);
    await speaks('before');
  });
  afterEach(async () => {
    for (const socket of flood.splice(0)) socket.destroy();
    await client.stop();
    await proxy.stop();
  });

  async function speaks(text: string): Promise<void> {
    client.write(`${text}\n`);
    await client.output(new RegExp(`^${text}$`, 'mu'));
  }

  /** Opens connections until the proxy closes one, or leaves it in the queue of the kernel. */
  async function exhaust(): Promise<void> {
    let served = 0;
    for (let opened = 0; opened < 2 * LIMIT; opened++) {
      const socket = connect(proxy.port(), '127.0.0.1');
      flood.push(socket);
      socket.on('error', () => undefined).once('data', () => served++);
      socket.write('x');
    }
    await until('the sessions that there is room for', () => served > LIMIT / 2);
    await until('the last descriptor to go', async () => (await ready()) === '000');
  }

  /** By curl: `fetch` connects again for ever where it is cut off. */
  const ready = async (): Promise<string> =>
    (await runCommand('curl', ['-s', '-m', '2', '-o', '/dev/null', '-w', '%{http_code}', `${proxy.api}/ready`])).stdout;
  const works = async (): Promise<boolean> =>
    (await runCommand('socat', ['-t', '1', '-', `TCP:127.0.0.1:${proxy.port()}`], 'new')).stdout === 'new';

  it('goes on with its sessions, is not busy, and takes new ones when some are free', async () => {
    await exhaust();
    for (let round = 0; round < 20; round++) await speaks(`round ${round}`);
    await until('a proxy that sleeps half of the time', async () => {
      const [start, before] = [performance.now(), proxy.awakeMs];
      await new Promise((resolve) => setTimeout(resolve, 200));
      return proxy.awakeMs - before < (performance.now() - start) / 2;
    });

    for (const socket of flood.splice(0)) socket.destroy();
    await until('a new session', works);
    expect(await ready()).to.equal('200');
    await speaks('after');
  });

  it('says, and counts, that it refuses clients', async () => {
    await exhaust();
    for (const socket of flood.splice(0)) socket.destroy();
    await until('the API', async () => (await ready()) === '200');
    const { stdout } = await runCommand('curl', ['-s', `${proxy.api}/metrics`]);
    expect(stdout).to.match(/^l7mp_sessions_refused_total\{listener="in",reason="NO_DESCRIPTORS"[^}]*\} [1-9]/mu);
    await proxy.peer.output(/connections were refused/u);
  });

  it('says, and counts, that it refuses clients of sockets that Node.js does not know', async () => {
    await exhaust();
    // Several: the first may get a descriptor that is free for a moment.
    const others = Array.from(
      { length: 8 },
      () => new Peer('socat', ['-', 'ABSTRACT-CONNECT:l7mp-descriptors-test,socktype=5']),
    );
    try {
      await proxy.peer.output(/"listener":"packets","code":"NO_DESCRIPTORS".*connections were refused/u);
      for (const socket of flood.splice(0)) socket.destroy();
      await until('the API', async () => (await ready()) === '200');
      const { stdout } = await runCommand('curl', ['-s', `${proxy.api}/metrics`]);
      expect(stdout).to.match(/^l7mp_sessions_refused_total\{listener="packets",reason="NO_DESCRIPTORS"[^}]*\} \d/mu);
    } finally {
      await Promise.all(others.map((other) => other.stop()));
    }
  });

  it('refuses the sessions that need one more, and says so', async () => {
    await exhaust();
    const other = new Peer('socat', ['-', `UDP:127.0.0.1:${proxy.port('child')}`]);
    try {
      other.write('x');
      await proxy.peer.output(/^child NO_DESCRIPTORS$/mu);
      await speaks('meanwhile');
      for (const socket of flood.splice(0)) socket.destroy();
      await until('a new session', works);
      other.write('again');
      await other.output(/^again$/u);
    } finally {
      await other.stop();
    }
  });
});
