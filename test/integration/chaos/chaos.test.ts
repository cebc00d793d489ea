import { expect } from 'chai';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer } from '../../support/peer.ts';
import { Endpoint, type Outcome, tcpSession, UdpClient } from './load.ts';

/** How long it lasts, in s. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 60);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the built command under chaos', () => {
  it(`keeps every byte and leaks nothing for ${SECONDS} s of killed endpoints, reloads and deleted sessions`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-chaos-'));
    const file = join(directory, 'l7mp.json');
    const endpoints = [new Endpoint(), new Endpoint(), new Endpoint()];
    for (const endpoint of endpoints) await endpoint.start();
    const configure = (generation: number): void => {
      writeFileSync(`${file}.new`, JSON.stringify(configuration(endpoints, generation)));
      renameSync(`${file}.new`, file);
    };
    configure(0);
    const proxy = new Peer('bin/l7mp', ['proxy', '-c', file]);
    const [line] = await proxy.output(/^\{.*"msg":"ready".*$/mu);
    const ready = JSON.parse(line) as { listeners: Record<string, string>; api: string; pid: number };
    const portOf = (name: string): number => Number(ready.listeners[name]?.split(':')[1]);
    const sessions = async (): Promise<string[]> => {
      const response = await fetch(`http://${ready.api}/api/v1/sessions`, { headers: { connection: 'close' } });
      return ((await response.json()) as { name: string }[]).map(({ name }) => name);
    };
    const outcomes: Record<Outcome, number> = { complete: 0, cut: 0, corrupt: 0 };
    // What is loaded by then isn't a leak.
    await tcpSession(portOf('tcp'));
    const warm = new UdpClient(portOf('udp'));
    while (warm.answers === 0) await pause(10);
    warm.close();
    while ((await sessions()).length > 0) await pause(100);
    await sessions();
    await pause(300); // the connection of the API is gone then
    const before = descriptorsOf(ready.pid);

    const end = Date.now() + SECONDS * 1000;
    const repeat = async (act: () => Promise<void> | void): Promise<void> => {
      while (Date.now() < end) await act();
    };
    const udp = [1, 2, 3].map(() => new UdpClient(portOf('udp')));
    let generation = 0;
    let deleted = 0;
    await Promise.all([
      ...Array.from({ length: 20 }, () =>
        repeat(async () => {
          const outcome = await tcpSession(portOf('tcp'));
          outcomes[outcome]++;
        }),
      ),
      repeat(async () => {
        const endpoint = endpoints[randomInt(endpoints.length)];
        await pause(randomInt(200, 800));
        await endpoint?.kill();
        await pause(randomInt(50, 300));
        await endpoint?.start();
      }),
      repeat(async () => {
        configure(++generation);
        await pause(500);
      }),
      repeat(async () => {
        const names = await sessions();
        const name = names[randomInt(Math.max(names.length, 1))];
        if (name !== undefined) {
          const address = `http://${ready.api}/api/v1/sessions/${encodeURIComponent(name)}`;
          const { status } = await fetch(address, { method: 'DELETE', headers: { connection: 'close' } });
          if (status === 200) deleted++;
        }
        await pause(300);
      }),
    ]);
    for (const client of udp) client.close();
    configure(generation + (generation % 2)); // with as many listeners as at first

    const deadline = Date.now() + 8000;
    let left: string[];
    let open: string[];
    do {
      left = await sessions();
      await pause(300);
      open = descriptorsOf(ready.pid);
    } while (Date.now() < deadline && (left.length > 0 || open.length > before.length));
    const reloads = proxy.stderr.split('configuration reloaded').length - 1;
    await proxy.stop();
    for (const endpoint of endpoints) await endpoint.kill();
    rmSync(directory, { recursive: true });

    expect(left, 'sessions that nobody ended').to.deep.equal([]);
    expect(open.length, `descriptors, before: ${before.join(' ')}; now: ${open.join(' ')}`).to.be.at.most(
      before.length,
    );
    expect(outcomes.corrupt, 'sessions with other bytes').to.equal(0);
    expect(outcomes.complete, 'sessions that survived').to.be.above(outcomes.cut);
    expect(deleted, 'deleted sessions').to.be.above(SECONDS / 2);
    expect(reloads, 'reloads').to.be.above(SECONDS);
    expect(
      udp.reduce((sum, { strangers }) => sum + strangers, 0),
      'datagrams that nobody sent',
    ).to.equal(0);
    expect(Math.min(...udp.map(({ answers }) => answers)), 'answers to each UDP client').to.be.above(SECONDS * 10);
  }).timeout((SECONDS + 30) * 1000);
});

/** What a process has open. */
function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`);
    } catch {
      return 'closed since';
    }
  });
}

/** Every generation differs: in a listener that comes and goes, in weights, and in a cluster. */
function configuration(endpoints: readonly Endpoint[], generation: number): object {
  const rules = [
    { action: { route: { destination: 'servers', retry: { retry_on: 'connect-failure', num_retries: 5 } } } },
  ];
  const address = '127.0.0.1';
  return {
    admin: { api: { port: 0 } },
    listeners: [
      { name: 'tcp', spec: { protocol: 'TCP', address, port: 0 }, rules },
      {
        name: 'udp',
        spec: { protocol: 'UDP', address, port: 0 },
        options: { idle_timeout: 1000 },
        rules: [{ action: { route: { destination: 'echo' } } }],
      },
      ...(generation % 2 === 1 ? [{ name: 'sometimes', spec: { protocol: 'TCP', address, port: 0 }, rules }] : []),
    ],
    clusters: [
      {
        name: 'servers',
        spec: { protocol: 'TCP' },
        endpoints: endpoints.map(({ port }, index) => ({
          name: `e${index}`,
          spec: { address, port },
          weight: 1 + ((generation + index) % 3),
        })),
      },
      { name: 'echo', spec: { protocol: 'Echo' } },
      { name: `generation-${generation % 5}`, spec: { protocol: 'Discard' } },
    ],
  };
}
