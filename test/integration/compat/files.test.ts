import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../support/free-port.ts';
import { Peer, PYTHON, versionOf } from '../../support/peer.ts';

const run = promisify(execFile);

/** What l7mp's users write: everything inline, the API behind a listener, datagrams that travel over a WebSocket. */
const file = (ports: Readonly<Record<'api' | 'udp' | 'client' | 'websocket' | 'server' | 'other', number>>): string => `
admin: { log_level: warn, log_file: stdout, strict: false }
listeners:
  - name: controller-listener
    spec: { protocol: HTTP, port: ${ports.api} }
    rules:
      - action:
          route:
            destination: { name: l7mp-controller, spec: { protocol: L7mpController } }
  - name: udp-listener
    spec:
      protocol: UDP
      port: ${ports.udp}
      connect: { address: 127.0.0.1, port: ${ports.client} }
    rules:
      - action:
          rewrite:
            - { path: /HTTP/url/path, value: /datagrams }
          route:
            cluster:
              spec:
                protocol: JSONSocket
                transport_spec: { protocol: WebSocket, port: ${ports.websocket} }
                header:
                  - path: { from: /UDP, to: /udp }
                  - set: { key: tag, value: hashed }
              endpoints: [ { spec: { address: 127.0.0.1 } } ]
            ingress: [ { spec: { protocol: Metric } } ]
            egress: [ logger ]
            retry: { retry_on: always, num_retries: 1000, timeout: 2000 }
  - name: websocket-listener
    spec: { protocol: JSONSocket, transport: { protocol: WebSocket, port: ${ports.websocket} } }
    rules:
      - match: { op: test, path: /JSONSocket/tag, value: hashed }
        action: { route: { destination: ring } }
      - match:
          op: and
          apply: [ { op: starts, path: /HTTP/url/path, value: /rooms }, { op: defined, path: /JSONSocket/room } ]
        action: { route: { destination: { name: rooms, spec: { protocol: Sync, query: /JSONSocket/room } } } }
    options: { track: 60 }
clusters:
  - { name: logger, spec: { protocol: Logger, log_file: LOG } }
  - name: ring
    spec: { protocol: UDP, port: ${ports.server} }
    loadbalancer: { policy: HashRing, key: /JSONSocket/udp/src_port }
    endpoints:
      - spec: { address: 127.0.0.1 }
      - { name: second, spec: { address: 127.0.0.2 }, weight: 1 }
      - { name: elsewhere, spec: { address: 127.0.0.1, port: ${ports.other} }, weight: 1 }
`;

describe(`A file as l7mp's users have it, with ${versionOf('curl', '--version')} and ${versionOf(PYTHON, '--version')}`, () => {
  let directory: string;
  let proxy: Peer;
  let server: Peer;
  let ports: Parameters<typeof file>[0];

  const get = async (path: string): Promise<unknown> =>
    JSON.parse((await run('curl', ['-sS', '--max-time', '5', `http://127.0.0.1:${ports.api}/api/v1${path}`])).stdout);
  const python = async (code: string): Promise<string[]> =>
    (await run(PYTHON, ['-c', code])).stdout.split('\n').filter((line) => line !== '');

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    ports = {
      api: await freePort(),
      websocket: await freePort(),
      udp: await freePort(),
      client: await freePort(),
      server: await freePort(),
      other: await freePort(),
    };
    server = new Peer(PYTHON, [
      '-c',
      `
import select, socket
peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
for peer, place in zip(peers, [('127.0.0.1', ${ports.server}), ('127.0.0.2', ${ports.server}), ('127.0.0.1', ${ports.other})]):
    peer.bind(place)
print('ready', flush=True)
while True:
    for peer in select.select(peers, [], [])[0]:
        data, source = peer.recvfrom(65536)
        peer.sendto(b'answer to ' + data, source)`,
    ]);
    await server.output(/ready/u);
    const path = join(directory, 'l7mp.yaml');
    writeFileSync(path, file(ports).replace('LOG', join(directory, 'log')));
    proxy = new Peer('bin/l7mp', ['proxy', '--no-api', '-c', path, '-l', 'info']);
    await proxy.output(/"msg":"ready"/u);
  });
  after(async () => {
    await proxy.stop();
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  it('has its singleton session from the start, and carries datagrams over a WebSocket and back', async () => {
    const told = await python(`
import socket
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.bind(('127.0.0.1', ${ports.client}))
peer.connect(('127.0.0.1', ${ports.udp}))
peer.settimeout(5)
for text in [b'one', b'two', b'']:
    peer.send(text)
    print(peer.recv(65536).decode())`);
    expect(told).to.deep.equal(['answer to one', 'answer to two', 'answer to ']);
    const sessions = (await get('/sessions')) as { name: string; metadata: object; destination: { origin: string } }[];
    const names = sessions.map(({ name }) => name);
    expect(names).to.include(`UDP:127.0.0.1:${ports.client}-127.0.0.1:${ports.udp}-0`);
    const far = sessions.find(({ name }) => name === 'JSONSocket:websocket-listener-0');
    expect(far?.destination.origin).to.equal('ring');
    expect(far?.metadata).to.deep.nested.include({
      JSONSocket: { JSONSocketVersion: 1, tag: 'hashed', udp: { src_port: ports.client, dst_port: ports.udp } },
      'HTTP.url.path': '/datagrams',
    });
  });

  it('hashes by its key: one value, one endpoint', async () => {
    const endpoints = await python(`
import asyncio, json, urllib.request
from websockets import connect
async def main():
    seen = {}
    for port in list(range(30)) * 2:
        async with connect('ws://127.0.0.1:${ports.websocket}/') as peer:
            await peer.send(json.dumps({'JSONSocketVersion': 1, 'tag': 'hashed', 'udp': {'src_port': port}}))
            assert json.loads(await peer.recv())['JSONSocketStatus'] == 200
            await peer.send(b'x')
            assert await peer.recv() == b'answer to x'
asyncio.run(main())
sessions = json.load(urllib.request.urlopen('http://127.0.0.1:${ports.api}/api/v1/sessions'))
seen = {}
for session in sessions:
    port = session['metadata'].get('JSONSocket', {}).get('udp', {}).get('src_port')
    if port is not None and port < 30: seen.setdefault(port, []).append(session['destination']['endpoint']['name'])
print(len(seen), all(len(names) == 2 and len(set(names)) == 1 for names in seen.values()))
print(len({names[0] for names in seen.values()}))`);
    expect(endpoints).to.deep.equal(['30 True', '3']);
  });

  it('lets those meet who name the same room', async () => {
    const told = await python(`
import asyncio, json
from websockets import connect
async def join(room):
    peer = await connect('ws://127.0.0.1:${ports.websocket}/rooms')
    await peer.send(json.dumps({'JSONSocketVersion': 1, 'room': room}))
    assert json.loads(await peer.recv())['JSONSocketStatus'] == 200
    return peer
async def main():
    one, two, other = [await join(room) for room in ['a', 'a', 'b']]
    await one.send('hello')
    print(await asyncio.wait_for(two.recv(), 5))
    await one.close()
    third = await join('a')
    await third.send('still here')
    print(await asyncio.wait_for(two.recv(), 5))
    await other.send('alone')
    try: print(await asyncio.wait_for(other.recv(), 0.2))
    except asyncio.TimeoutError: print('nothing')
asyncio.run(main())`);
    expect(told).to.deep.equal(['hello', 'still here', 'nothing']);
  });

  it('shows what it made of it by the names that it gave', async () => {
    const lists = (await get('/rulelists')) as { name: string; rules: string[] }[];
    expect(lists.find(({ name }) => name === 'websocket-listener-RuleList-1')?.rules).to.deep.equal([
      'websocket-listener-RuleList-1-Rule-1',
      'websocket-listener-RuleList-1-Rule-2',
    ]);
    const route = 'udp-listener-RuleList-1-Rule-1-Route-1';
    expect(await get(`/routes/${route}`))
      .to.deep.include({
        name: route,
        destination: `${route}-Cluster-1`,
        ingress: [`${route}-ingress-Cluster-1`],
        egress: ['logger'],
      })
      .and.to.have.property('retry')
      .that.includes({ retry_on: 'always', num_retries: 1000, timeout: 2000 });
    const clusters = (await get('/clusters')) as { name: string; endpoints: number }[];
    expect(clusters.map(({ name, endpoints }) => [name, endpoints])).to.have.deep.members([
      ['l7mp-controller', 1],
      [`${route}-Cluster-1`, 1],
      [`${route}-ingress-Cluster-1`, 1],
      ['rooms', 1],
      ['logger', 1],
      ['ring', 3],
    ]);
    const listener = await get('/listeners/udp-listener?recursive=true');
    expect(listener).to.have.nested.property(
      'rules.rules[0].action.route.destination.endpoints[0].name',
      `${route}-Cluster-1-EndPoint-1`,
    );
  });
});
