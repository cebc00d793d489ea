import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../support/peer.ts';

const PLUGIN = 'examples/plugin/netstring.mjs';

/** Sends the bytes, ends, and prints what comes until the end. */
const CLIENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); s.settimeout(5)
data = eval(sys.argv[2])
got = b''
try:
    for i in range(0, len(data), 3): s.sendall(data[i:i+3])
    s.shutdown(socket.SHUT_WR)
except OSError: pass
try:
    while chunk := s.recv(65536): got += chunk
except OSError: pass
print(got == eval(sys.argv[3]) or got)`;

describe(`the plugin of the tutorial, loaded by the built command, with ${versionOf(PYTHON, '--version')}`, () => {
  let directory: string;
  let proxy: Peer;
  let port: number;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-plugin-'));
    const config = {
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'Netstring', address: '127.0.0.1', port: 0, max_message_bytes: 1000 },
          rules: [{ action: { route: { destination: { name: 'back', spec: { protocol: 'Echo' } } } } }],
        },
      ],
    };
    const file = join(directory, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    proxy = new Peer('bin/l7mp', ['proxy', '--no-api', '-c', file, '--plugin', PLUGIN]);
    const [, found] = await proxy.output(/"in":"127\.0\.0\.1:(\d+)"/u);
    port = Number(found);
  });
  afterEach(async () => {
    await proxy.stop();
    rmSync(directory, { recursive: true });
  });

  async function client(sent: string, expected: string): Promise<string> {
    const peer = new Peer(PYTHON, ['-c', CLIENT, String(port), sent, expected]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout.trim();
  }

  it('takes messages wherever they are cut, empty ones too, and the end', async () => {
    expect(await client(`b'5:hello,0:,3:a,b,' * 200`, `b'5:hello,0:,3:a,b,' * 200`)).to.equal('True');
  });

  it('ends a session whose peer speaks something else', async () => {
    expect(await client(`b'2:ok,GET / HTTP/1.1'`, `b'' if len(got) == 0 else b'2:ok,'`)).to.equal('True');
  });

  it('ends a session whose message is above the limit', async () => {
    expect(await client(`b'1001:' + bytes(1001) + b','`, `b''`)).to.equal('True');
  });

  it('has a schema of its own: what does not fit is refused', async () => {
    const file = join(directory, 'bad.yaml');
    writeFileSync(
      file,
      'listeners: [{ name: a, spec: { protocol: Netstring, prot: 1, max_message_bytes: 0 }, rules: [] }]',
    );
    const check = new Peer('bin/l7mp', ['check', '--plugin', PLUGIN, file]);
    expect(await check.exit).to.equal(3);
    expect(check.stdout + check.stderr)
      .to.contain('spec.max_message_bytes')
      .and.contain('spec.prot')
      .and.contain('spec.port');
  });
});
