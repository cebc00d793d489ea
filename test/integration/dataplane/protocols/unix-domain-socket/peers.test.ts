import { expect } from 'chai';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { inSocketDirectory } from '../../../../support/socket-directory.ts';
import { until } from '../../../../support/until.ts';

const echo = { spec: { protocol: 'Echo' } };

describe(`UNIX stream sockets, with ${versionOf('socat', '-V')} and ${versionOf('ncat', '--version')}`, () => {
  let directory: string;
  let path: string;

  inSocketDirectory((made) => {
    directory = made;
    path = join(directory, 's');
  });

  const listener = (more: object = {}): object => ({ protocol: 'UnixDomainSocket', filename: path, ...more });

  async function ask(command: string, args: readonly string[], text: string): Promise<string> {
    const peer = new Peer(command, args);
    peer.write(text);
    peer.endInput();
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout;
  }

  it('echo what socat sends, half-close included', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    expect(await ask('socat', ['-t', '5', '-', `UNIX-CONNECT:${path}`], 'hello')).to.equal('hello');
    await proxy.close();
    expect(existsSync(path)).to.equal(false);
  });

  it('echo what ncat sends', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const peer = new Peer('ncat', ['-U', path]);
    peer.write('hello\n');
    await peer.output(/hello/u);
    await peer.stop();
    await proxy.close();
  });

  it('name sessions and tell the path in their metadata', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const peers = [new Peer('socat', ['-', `UNIX-CONNECT:${path}`]), new Peer('socat', ['-', `UNIX-CONNECT:${path}`])];
    for (const peer of peers) {
      peer.write('x');
      await peer.output(/x/u);
    }
    const sessions = proxy.sessions().map(({ name, metadata }) => [name, metadata]);
    expect(sessions).to.deep.equal(
      [0, 1].map((index) => [`UNIX:in-${index}`, { UNIX: { filename: path }, name: `UNIX:in-${index}` }]),
    );
    for (const peer of peers) await peer.stop();
    await proxy.close();
  });

  it('connect to a server, and take its half-close', async () => {
    const server = new Peer('socat', ['-d', '-d', `UNIX-LISTEN:${path}`, 'SYSTEM:rev']);
    await server.output(/listening/u);
    const inner = join(directory, 'in');
    const proxy = await startProxy(
      relay(listener({ filename: inner }), { spec: { protocol: 'UnixDomainSocket' }, endpoints: [path] }),
    );
    expect(await ask('socat', ['-t', '5', '-', `UNIX-CONNECT:${inner}`], 'abc\n')).to.equal('cba\n');
    await proxy.close();
    await server.exit;
  });

  it('have abstract names that other programs know', async () => {
    const name = `l7mp-${process.pid}`;
    const server = new Peer('socat', ['-d', '-d', `ABSTRACT-LISTEN:${name}-server`, 'SYSTEM:rev']);
    await server.output(/listening/u);
    const proxy = await startProxy(
      relay(listener({ filename: `@${name}` }), {
        spec: { protocol: 'UnixDomainSocket', filename: `@${name}-server` },
      }),
    );
    expect(await ask('socat', ['-t', '5', '-', `ABSTRACT-CONNECT:${name}`], 'abc\n')).to.equal('cba\n');
    await proxy.close();
    await server.exit;
  });

  it('have the mode that is asked for, whatever the umask', async () => {
    const umask = process.umask(0o077);
    const proxy = await startProxy(relay(listener({ mode: '0666' }), echo));
    process.umask(umask);
    expect((statSync(path).mode & 0o777).toString(8)).to.equal('666');
    expect(await ask('socat', ['-t', '5', '-', `UNIX-CONNECT:${path}`], 'hello')).to.equal('hello');
    await proxy.close();
    expect(existsSync(path)).to.equal(false);
  });

  it('take over what a dead process left', async () => {
    const code = `import socket; s = socket.socket(socket.AF_UNIX); s.bind('${path}'); s.listen()`;
    expect(await new Peer(PYTHON, ['-c', code]).exit).to.equal(0);
    expect(existsSync(path)).to.equal(true);
    const proxy = await startProxy(relay(listener(), echo));
    expect(await ask('socat', ['-t', '5', '-', `UNIX-CONNECT:${path}`], 'hello')).to.equal('hello');
    await proxy.close();
  });

  async function refusal(): Promise<string> {
    return startProxy(relay(listener(), echo)).then(
      () => 'started',
      (error: unknown) => String(error),
    );
  }

  for (const type of ['STREAM', 'DGRAM', 'SEQPACKET']) {
    it(`leave the ${type} socket of a living process alone`, async () => {
      const code = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_${type}); s.bind('${path}')
if '${type}' != 'DGRAM': s.listen()
print('ready', flush=True); sys.stdin.read()`;
      const owner = new Peer(PYTHON, ['-c', code]);
      await owner.output(/ready/u);
      expect(await refusal()).to.contain(`ADDRESS_IN_USE: another process has the socket ${path}`);
      expect(existsSync(path)).to.equal(true);
      await owner.stop();
    });
  }

  it('leave a file that is no socket alone', async () => {
    writeFileSync(path, 'precious');
    expect(await refusal()).to.contain(`ADDRESS_IN_USE: expected nothing or a socket at ${path}, found another file`);
  });

  it('say where nobody listens', async () => {
    const proxy = await startProxy(
      relay(
        listener(),
        { spec: { protocol: 'UnixDomainSocket', filename: join(directory, 'nobody') } },
        {},
        {
          options: { track: 10 },
        },
      ),
    );
    const peer = new Peer('socat', ['-t', '5', '-', `UNIX-CONNECT:${path}`]);
    peer.write('hello');
    peer.endInput();
    await peer.exit; // with an error where it writes after the refusal
    const [session] = proxy.sessions();
    expect(session?.reason).to.equal('NOT_FOUND');
    expect(session?.events.map(({ message }) => message).join()).to.contain(
      `connecting to ${join(directory, 'nobody')}`,
    );
    await proxy.close();
  });

  it('wait for a server whose backlog is full', async () => {
    const server = join(directory, 'busy');
    const code = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind('${server}'); s.listen(0)
print('ready', flush=True); sys.stdin.readline()
while True:
    c, _ = s.accept(); c.sendall(b'served'); c.close()`;
    const busy = new Peer(PYTHON, ['-c', code]);
    await busy.output(/ready/u);
    const proxy = await startProxy(relay(listener(), { spec: { protocol: 'UnixDomainSocket', filename: server } }));
    const clients = [0, 1, 2, 3].map(() => new Peer('socat', ['-t', '5', '-u', `UNIX-CONNECT:${path}`, '-']));
    await until('the sessions', () => proxy.sessions().length === clients.length);
    busy.write('\n');
    for (const client of clients) {
      await client.exit;
      expect(client.stdout).to.equal('served');
    }
    await busy.stop();
    await proxy.close();
  });
});
