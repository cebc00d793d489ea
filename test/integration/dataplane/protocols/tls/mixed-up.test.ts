/** TLS where plain text is expected, and the other way round: the proxy says so. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionView } from '../../../../../dataplane/core/session.ts';
import { makeCertificate } from '../../../../support/certificates.ts';
import { ProxyProcess } from '../../../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const at = { address: '127.0.0.1', port: 0 };
const tracked = { options: { track: 10 } };

describe(`TLS mixed up with plain text, with ${versionOf('curl', '--version')} and ${versionOf(PYTHON, '--version')}`, () => {
  let proxy: TestProxy | undefined;
  let server: Peer | undefined;
  let running: ProxyProcess | undefined;
  let directory: string;

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(async () => {
    await proxy?.close();
    await server?.stop();
    await running?.stop();
    proxy = server = running = undefined;
    rmSync(directory, { recursive: true });
  });

  /** A server in plain text that says this to whoever connects. */
  const says = async (bytes: string): Promise<number> => {
    const code = `
import socket
server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True)
while True:
    peer, _ = server.accept(); peer.sendall(${bytes}); peer.recv(1000)`;
    server = new Peer(PYTHON, ['-c', code]);
    return Number((await server.output(/\d+/u))[0]);
  };
  const told = async (): Promise<string> => {
    const ended = (): SessionView | undefined => proxy?.sessions().find(({ status }) => status === 'DESTROYED');
    const { events } = await until('the end of the session', ended);
    return events.map(({ message }) => message).join('\n');
  };

  it('is told where the endpoint of a TLS cluster does not speak TLS', async () => {
    const spec = { protocol: 'TLS', port: await says("b'220 ready'"), tls: { insecure: true } };
    proxy = await startProxy(relay({ protocol: 'TCP', ...at }, { spec, endpoints: ['127.0.0.1'] }, {}, tracked));
    const client = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port('in')}`]);
    const message = await told();
    await client.stop();
    expect(message).to.match(
      /TLS with 127\.0\.0\.1: expected TLS, found something else: perhaps the other side speaks plain text .*\(error:.*\)/u,
    );
  });

  it('is told where the endpoint of an HTTP cluster wants TLS', async () => {
    const spec = { protocol: 'HTTP', port: await says('bytes([21, 3, 1, 0, 2, 2, 40])') };
    proxy = await startProxy(relay({ protocol: 'HTTP', ...at }, { spec, endpoints: ['127.0.0.1'] }, {}, tracked));
    const client = new Peer('curl', ['-s', '--max-time', '10', `http://127.0.0.1:${proxy.port('in')}/`]);
    expect(await told()).to.contain('expected an HTTP response, found a TLS alert: perhaps the endpoint wants https');
    await client.exit;
  });

  it('is told in the log where a client of an HTTP or WebSocket listener speaks TLS, or one of a TLS listener does not', async () => {
    const tls = makeCertificate(directory, 'own', 'IP:127.0.0.1');
    const listener = (name: string, more: object): object => ({
      name,
      spec: { ...at, ...more },
      rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
    });
    running = await ProxyProcess.start({
      admin: { api: { port: 0 } },
      listeners: [
        listener('plain', { protocol: 'HTTP' }),
        listener('ws', { protocol: 'WebSocket' }),
        listener('secure', { protocol: 'TLS', tls }),
      ],
    });
    for (const [scheme, name, expected] of [
      ['https', 'plain', /expected an HTTP request, found a TLS handshake: perhaps the client wants https/u],
      ['https', 'ws', /expected a WebSocket's handshake, found a TLS handshake: perhaps the client wants wss/u],
      ['http', 'secure', /TLS handshake: expected TLS, found an HTTP request in plain text \(error:/u],
    ] as const) {
      const client = new Peer('curl', ['-sk', '--max-time', '10', `${scheme}://127.0.0.1:${running.port(name)}/`]);
      expect(await client.exit).to.not.equal(0);
      await running.peer.output(expected);
    }
  });
});
