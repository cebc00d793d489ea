import { expect } from 'chai';
import { readdirSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { portOf, ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';

const local = { address: '127.0.0.1', port: 0 };
const echo = { rules: [{ action: { route: { destination: 'back' } } }] };
const BACK = { name: 'back', spec: { protocol: 'Echo' } };
/** What it answers tells the generation of the configuration. */
const says = (text: string): object => ({
  name: 'back',
  spec: { protocol: 'StdioFork', command: 'sh', args: ['-c', `echo ${text}; exec cat`] },
});

function config(listeners: readonly string[], back: object = BACK): { listeners: object[]; clusters: object[] } {
  return {
    listeners: listeners.map((name) => ({ name, spec: { protocol: 'TCP', ...local }, ...echo })),
    clusters: [back],
  };
}

describe(`live reload, with ${versionOf('socat', '-V')}`, () => {
  let proxy: ProxyProcess;
  const clients: Peer[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.stop()));
    await proxy.stop();
  });

  async function client(port: number): Promise<Peer> {
    const peer = new Peer('socat', ['-', `TCP:127.0.0.1:${port}`]);
    clients.push(peer);
    await speaks(peer, 'first');
    return peer;
  }

  async function speaks(peer: Peer, text: string): Promise<void> {
    peer.write(`${text}\n`);
    await peer.output(new RegExp(`^${text}$`, 'mu'));
  }

  const answer = async (port: number): Promise<string> =>
    (await runCommand('socat', ['-t', '3', '-', `TCP:127.0.0.1:${port}`])).stdout;

  it('makes a change live, and running sessions stay as they are', async () => {
    proxy = await ProxyProcess.start(config(['in']));
    const running = await client(proxy.port());
    proxy.write(config(['in', 'more'], says('changed')));
    const { listeners } = await proxy.logged('configuration reloaded');
    expect(await answer(portOf((listeners as Record<string, string>)['more']))).to.equal('changed\n');
    expect(await answer(proxy.port())).to.equal('changed\n');
    await speaks(running, 'still here');

    proxy.write(config([]));
    await proxy.logged('configuration reloaded', 1);
    expect((await runCommand('socat', ['-', `TCP:127.0.0.1:${proxy.port()}`])).stderr).to.contain('Connection refused');
    await speaks(running, 'without its listener');
  });

  it('refuses a bad file whole, with every fault and its line, and nothing changes', async () => {
    proxy = await ProxyProcess.start(config(['in'], says('old')));
    const running = await client(proxy.port());
    const before = await proxy.get('/api/v1/config');
    proxy.write(`clusters: [${JSON.stringify(says('new'))}]
listeners:
  - { name: in, spec: { protocol: TCP, address: 127.0.0.1, port: 0 }, rules: back, optoins: {} }
  - { name: more, spec: { protocol: TCP, address: 127.0.0.1, port: 70000 }, rules: [] }
`);
    const { level, faults } = await proxy.logged('the configuration was refused; the running one stays');
    expect(level).to.equal('error');
    expect(faults).to.have.length(2);
    expect((faults as string[])[0]).to.match(/^listeners\[0\]\.optoins: expected .*perhaps options.* \(line 3\)$/u);
    expect((faults as string[])[1]).to.match(/^listeners\[1\]\.spec\.port: expected .*65535.*70000 \(line 4\)$/u);
    expect(await proxy.get('/api/v1/config')).to.deep.include({ status: 200, text: before.text });
    expect(await answer(proxy.port())).to.equal('old\n');
    await speaks(running, 'still here');

    proxy.write(config(['in'], says('new')));
    await proxy.logged('configuration reloaded');
    expect(await answer(proxy.port())).to.equal('new\n');
  });

  it('refuses whole what it cannot make live', async () => {
    proxy = await ProxyProcess.start(config(['in'], says('old')));
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const next = config(['in', 'more'], says('new'));
    next.listeners.push({ name: 'taken', spec: { protocol: 'TCP', address: '127.0.0.1', port }, ...echo });
    proxy.write(next);
    const { faults } = await proxy.logged('the configuration was refused; the running one stays');
    await new Promise((resolve) => other.close(resolve));
    expect(faults).to.have.length(1);
    expect((faults as string[])[0]).to.match(/^listeners\.taken: expected to listen, found ADDRESS_IN_USE/u);
    expect(await answer(proxy.port())).to.equal('old\n');
    const { listeners } = JSON.parse((await proxy.get('/api/v1/config')).text) as { listeners: { name: string }[] };
    expect(listeners.map(({ name }) => name)).to.deep.equal(['in']);
  });

  it('follows a file that is replaced, as editors do, and one that vanishes for a while', async () => {
    proxy = await ProxyProcess.start(config(['in'], says('first')));
    const replace = (text: string): void => {
      writeFileSync(`${proxy.file}~`, JSON.stringify({ ...config(['in'], says(text)), admin: { api: { port: 0 } } }));
      renameSync(`${proxy.file}~`, proxy.file);
    };
    replace('second');
    await proxy.logged('configuration reloaded');
    expect(await answer(proxy.port())).to.equal('second\n');
    replace('third');
    await proxy.logged('configuration reloaded', 1);
    expect(await answer(proxy.port())).to.equal('third\n');

    unlinkSync(proxy.file);
    const { faults } = await proxy.logged('the configuration was refused; the running one stays');
    expect((faults as string[])[0]).to.match(/: expected a file that can be read, found ENOENT/u);
    expect(await answer(proxy.port())).to.equal('third\n');
    replace('fourth');
    await proxy.logged('configuration reloaded', 2);
    expect(await answer(proxy.port())).to.equal('fourth\n');
  });

  it('waits for SIGHUP where it is told --no-watch', async () => {
    proxy = await ProxyProcess.start(config(['in'], says('first')), ['--no-watch']);
    const fds = `/proc/${proxy.peer.pid}/fd`;
    const open = readdirSync(fds).map((fd) => {
      try {
        return readlinkSync(`${fds}/${fd}`);
      } catch {
        return ''; // closed since
      }
    });
    expect(open).to.not.include('anon_inode:inotify');
    proxy.write(config(['in'], says('second')));
    expect(await answer(proxy.port())).to.equal('first\n');
    proxy.peer.signal('SIGHUP');
    await proxy.logged('configuration reloaded');
    expect(await answer(proxy.port())).to.equal('second\n');
  });

  it('says which changes wait for the next start', async () => {
    proxy = await ProxyProcess.start(config(['in']));
    proxy.write({ ...config(['in']), admin: { log_level: 'debug', drain_timeout: 1 } });
    const { fields } = await proxy.logged('these fields of admin take effect with the next start');
    expect(fields).to.have.members(['log_level', 'drain_timeout']);
  });

  it('ends with exit code 3 and every fault, with file and line, where the first configuration is bad', async () => {
    proxy = await ProxyProcess.start(config(['in']));
    proxy.write('listeners: [{ name: a }]\nclutsers: []\n');
    const { code, stdout, stderr } = await runCommand('bin/l7mp', ['proxy', '-c', proxy.file]);
    const lines = stderr.trimEnd().split('\n');
    expect(stderr).to.match(/:1: listeners\[0\]\.spec: /u);
    expect(stderr).to.match(/:2: clutsers: .*perhaps clusters/u);
    for (const line of lines) expect(line.startsWith(`${proxy.file}:`), line).to.equal(true);
    expect([code, stdout]).to.deep.equal([3, '']);
    const checked = await runCommand('bin/l7mp', ['check', proxy.file]);
    expect(stderr, 'as l7mp check has it').to.equal(checked.stderr);
  });
});
