import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const local = (name: string, spec: object): object => ({ name, spec });

describe(`JSONEncap, JSONDecap, Logger and Metric on the way, with ${versionOf(PYTHON, '--version')} at the end`, () => {
  let directory: string;
  let proxy: TestProxy | undefined;
  let peers: Peer[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-chain-'));
    peers = [];
  });

  afterEach(async () => {
    await Promise.all(peers.map((peer) => peer.stop()));
    await proxy?.close();
    proxy = undefined;
    rmSync(directory, { recursive: true });
  });

  const peer = (command: string, ...args: string[]): Peer => {
    const started = new Peer(command, args);
    peers.push(started);
    return started;
  };

  /** A server over TCP that takes objects, a chunk each, and answers with their payloads in capitals, wrapped again. */
  const SERVER = `
import base64, json, socket
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1])
peer, _ = listener.accept()
decoder = json.JSONDecoder()
text = ''
while chunk := peer.recv(65536):
    text += chunk.decode()
    while text.startswith('{'):
        value, end = decoder.raw_decode(text)
        text = text[end:]
        print(json.dumps(value))
        answer = base64.b64encode(base64.b64decode(value['payload']).upper()).decode()
        for part in ('garbage', json.dumps({'payload': answer}) + chr(10)):
            peer.sendall(part.encode())`;

  it('wraps what goes, unwraps what comes, and looks at both', async () => {
    const server = peer(PYTHON, '-uc', SERVER);
    const [, port] = await server.output(/port (\d+)/u);
    const log_file = join(directory, 'log');
    const route = { ingress: ['count', 'log', 'encap'], destination: 'server', egress: ['decap', 'log'] };
    proxy = await startProxy({
      listeners: [
        { name: 'in', spec: { protocol: 'UDP', address: '127.0.0.1', port: 0 }, rules: [{ action: { route } }] },
        {
          name: 'metrics',
          spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
          rules: [{ action: { route: { destination: 'metrics' } } }],
        },
      ],
      clusters: [
        local('encap', { protocol: 'JSONEncap' }),
        local('decap', { protocol: 'JSONDecap' }),
        local('log', { protocol: 'Logger', log_file, log_prefix: 'seen' }),
        local('count', { protocol: 'Metric', name: 'calls', labels: { tier: 'front' } }),
        local('metrics', { protocol: 'Prometheus' }),
        { name: 'server', spec: { protocol: 'TCP', port: Number(port) }, endpoints: ['127.0.0.1'] },
      ],
    });
    const client = peer('socat', '-', `UDP4:127.0.0.1:${proxy.port('in')}`);
    client.write('hello');
    await client.output(/^HELLO$/u);
    const [line] = await server.output(/^\{.*\}$/mu);
    const object = JSON.parse(line) as { metadata: Record<string, unknown>; payload: string };
    expect(object.payload).to.equal('aGVsbG8=');
    expect(object.metadata).to.have.nested.property('UDP.dst_port', proxy.port('in'));
    expect(object.metadata).to.have.property('name').that.matches(/^UDP:/u);
    await until('the log', () => readFileSync(log_file, 'utf8') === 'seen: hello\nseen: HELLO\n');

    const curl = peer('curl', '-sS', '-i', `http://127.0.0.1:${proxy.port('metrics')}/anything`);
    expect(await curl.exit, curl.stderr).to.equal(0);
    expect(curl.stdout).to.match(/^HTTP\/1\.1 200 /u);
    expect(curl.stdout).to.match(/^l7mp_metric_bytes_total\{.*tier="front".*\} 5( |$)/mu);
  });
});
