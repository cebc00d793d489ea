import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { udpServer } from '../cluster/peers.ts';
import { curl, parseMetrics, valueOf, versionOf } from './tools.ts';
import { until } from '../../../support/until.ts';

interface Session {
  readonly name: string;
  readonly status: string;
  readonly source: object;
  readonly destination: object;
  readonly counters: { readonly ingress: { readonly bytes: number } };
  readonly events: readonly { readonly event: string }[];
}

/** What a user does on the first day: a relay made by hand, watched, cut, and taken down, while traffic flows. */
describe(`a story with curl ${versionOf('curl', '--version')} and socat ${versionOf('socat', '-V')}`, () => {
  let proxy: TestProxy;
  let base: string;
  const children: ChildProcess[] = [];
  const server = udpServer();

  /** A process whose words are kept. */
  function start(file: string, ...args: readonly string[]) {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const said = { out: '' };
    child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
    child.stdin.on('error', () => undefined); // it was killed
    children.push(child);
    return { child, said };
  }

  const ask = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await curl(...args)).text);
  const post = (path: string, yaml: string): Promise<unknown> =>
    ask('-H', 'Content-Type: text/x-yaml', '--data-binary', yaml, `${base}${path}`);

  beforeEach(async () => {
    proxy = await startProxy({}, { api: true });
    base = `http://127.0.0.1:${proxy.port()}/api/v1`;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined;
      child.kill('SIGKILL');
      await gone;
    }
    await server.kill();
    await proxy.close();
  });

  it('adds a cluster and a listener, sends, lists and deletes the session, and deletes everything', async () => {
    const port = await server.start();

    await post(
      '/clusters',
      `cluster: { name: servers, spec: { protocol: UDP, port: ${port} }, endpoints: [127.0.0.1] }`,
    );
    await post(
      '/listeners',
      `
listener:
  name: users
  spec: { protocol: UDP, address: 127.0.0.1, port: 0 }
  options: { track: 60 }
  rules:
    - action:
        route:
          destination: servers
          ingress: [ { spec: { protocol: Metric } } ]
`,
    );
    const { bound } = (await ask(`${base}/listeners/users`)) as { bound: string };

    const client = start('socat', '-', `UDP:${bound}`);
    client.child.stdin.write('hello');
    await until('the answer', () => client.said.out === 'pong:hello');

    const [session] = (await ask(`${base}/sessions`)) as Session[];
    expect(session).to.include({ status: 'CONNECTED' });
    expect(session!.name).to.match(/^UDP:127\.0\.0\.1:\d+-127\.0\.0\.1:\d+-\d+$/u);
    expect(session!.source).to.deep.include({ origin: 'users', status: 'READY' });
    expect(session!.destination).to.deep.include({
      origin: 'servers',
      endpoint: { name: 'servers-EndPoint-1', spec: { address: '127.0.0.1', port: Number(port) } },
      status: 'READY',
    });
    expect(session!.counters.ingress.bytes).to.equal(5);
    const samples = await parseMetrics((await curl(`http://127.0.0.1:${proxy.port()}/metrics`)).text);
    expect(valueOf(samples, 'l7mp_cluster_connect_duration_seconds_count', { cluster: 'servers' })).to.equal(1);
    expect(valueOf(samples, 'l7mp_listener_bytes_total', { listener: 'users', direction: 'ingress' })).to.equal(5);
    expect(session!.events.map(({ event }) => event)).to.deep.equal(['INIT', 'LOOKUP SUCCESS', 'CONNECT']);

    const path = `${base}/sessions/${encodeURIComponent(session!.name)}`;
    expect(await ask('-X', 'DELETE', path)).to.deep.equal({ status: 200, message: 'OK' });
    expect(await ask(path)).to.include({ status: 'DESTROYED', reason: 'DELETED' });

    client.child.stdin.write('again');
    await until('the answer in a new session', () => client.said.out === 'pong:hellopong:again');
    const listed = (await ask(`${base}/sessions`)) as Session[];
    expect(listed.map(({ status }) => status)).to.have.members(['CONNECTED', 'DESTROYED']);

    expect(await ask('-X', 'DELETE', `${base}/listeners/users?recursive=true`)).to.include({ status: 200 });
    await until('the session to end', () => proxy.sessions().every(({ status }) => status === 'DESTROYED'));
    const { listeners, rulelists, rules, routes, clusters } = proxy.proxy.snapshot;
    expect([listeners, rulelists, rules, routes].map(({ size }) => size)).to.deep.equal([0, 0, 0, 0]);
    expect([...clusters.keys()]).to.deep.equal(['servers']);
    expect(await ask('-X', 'DELETE', `${base}/clusters/servers`)).to.include({ status: 200 });
  });
});
