import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { freePort } from '../../../../support/free-port.ts';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const run = promisify(execFile);
const LISTENER = { protocol: 'TCP', address: '127.0.0.1', port: 0 };

describe(`TCP, with ${versionOf('ncat', '--version')}, ${versionOf('socat', '-V')} and ${versionOf(PYTHON, '--version')}`, () => {
  let proxy: TestProxy;
  let server: Peer | undefined;

  afterEach(async () => {
    await proxy.close();
    await server?.stop();
    server = undefined;
  });

  const toPort = async (port: number | string, spec: object = {}, listener: object = {}): Promise<void> => {
    const cluster = { spec: { protocol: 'TCP', port: Number(port), ...spec }, endpoints: ['127.0.0.1'] };
    proxy = await startProxy(relay({ ...LISTENER, ...listener }, cluster, {}, { options: { track: 10 } }));
  };
  /** A server in Python: `peer` is its one connection. */
  const python = async (code: string): Promise<string> => {
    const prelude = `
import socket, struct
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1], flush=True)
peer = listener.accept()[0]
`;
    server = new Peer(PYTHON, ['-c', prelude + code]);
    const [, port = ''] = await server.output(/^port (\d+)$/mu);
    return port;
  };
  const client = async (code: string): Promise<string> => {
    const prelude = `
import hashlib, socket, struct
peer = socket.create_connection(('127.0.0.1', ${proxy.port('in')}))
peer.settimeout(5)
def rest():
    got = b''
    while chunk := peer.recv(65536): got += chunk
    return got
`;
    return (await run(PYTHON, ['-c', prelude + code])).stdout.trim();
  };

  it('answers ncat after the end of the question', async () => {
    server = new Peer('socat', ['-d', '-d', 'TCP-LISTEN:0,bind=127.0.0.1,fork', 'SYSTEM:wc -c']);
    const [, port = ''] = await server.output(/listening on AF=2 127\.0\.0\.1:(\d+)/u);
    await toPort(port);
    const child = run('ncat', ['127.0.0.1', String(proxy.port('in'))]);
    child.child.stdin?.end('12345');
    expect((await child).stdout.trim()).to.equal('5');
  });

  it('takes what a client says after its server has ended', async () => {
    const port = await python(`
peer.sendall(b'first')
peer.shutdown(socket.SHUT_WR)
got = 0
while chunk := peer.recv(65536): got += len(chunk)
print('got', got, flush=True)`);
    await toPort(port);
    expect(await client("print(rest().decode()); peer.sendall(b'x' * 300_000); peer.close()")).to.equal('first');
    await server?.output(/^got 300000$/mu);
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(proxy.sessions()[0]?.reason).to.equal('OK');
  });

  it('hands on a reset, from either side', async () => {
    const abort = "peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); peer.close()";
    await toPort(await python(`peer.recv(10); ${abort}`));
    const code = `
peer.sendall(b'x')
try: print('end', rest())
except ConnectionResetError: print('reset')`;
    expect(await client(code)).to.equal('reset');
    await proxy.close();
    await server?.stop();
    await toPort(
      await python(`
peer.sendall(b'ready')
try: print('end', peer.recv(10), flush=True)
except ConnectionResetError: print('reset', flush=True)`),
    );
    await client(`peer.recv(10); ${abort}`);
    await server?.output(/^reset$/mu);
  });

  it('carries megabytes to a slow reader, whole', async () => {
    await toPort(await python('peer.sendall(bytes(range(256)) * 40_000); peer.close()'));
    const code = 'import time; time.sleep(0.3); print(hashlib.sha256(rest()).hexdigest())';
    const data = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const expected = createHash('sha256')
      .update(Buffer.concat(Array<Buffer>(40_000).fill(data)))
      .digest('hex');
    expect(await client(code)).to.equal(expected);
  });

  it('connects from the address and port that it is told to', async () => {
    const own = await freePort();
    const port = await python("print('from', *peer.getpeername(), flush=True)");
    await toPort(port, { bind: { address: '127.0.0.1', port: own } });
    await client('rest()');
    await server?.output(new RegExp(`^from 127\\.0\\.0\\.1 ${own}$`, 'mu'));
  });

  for (const keepalive of [undefined, { initial_delay: 50_000 }]) {
    it(`${keepalive ? 'probes' : 'does not probe'} idle connections, as its configuration says`, async () => {
      const port = await python("peer.sendall(b'ready'); peer.recv(10)");
      const more = keepalive ? { keepalive } : {};
      await toPort(port, more, more);
      const idle = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      await idle.output(/ready/u);
      const timers = async (filter: string): Promise<string> =>
        (await run('ss', ['-tnoH', 'state', 'established', filter])).stdout;
      const pattern = /timer:\(keepalive,4\dsec/u;
      for (const filter of [`sport = :${proxy.port('in')}`, `dport = :${port}`]) {
        const shown = await timers(filter);
        expect(shown).to.contain(filter.split(':')[1]);
        if (keepalive) expect(shown).to.match(pattern);
        else expect(shown).not.to.contain('keepalive');
      }
      await idle.stop();
    });
  }
});
