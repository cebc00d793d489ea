import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageVersion, Peer, PYTHON, versionOf } from '../../support/peer.ts';
import { checkPage } from './page.ts';
import { addressOf, CARRIES, clusterOf, INNER, listenerSpec, serverOf } from './protocols.ts';

const ENTRIES = Object.keys(CARRIES);
const CLUSTERS = [...ENTRIES.filter((name) => name !== 'Stdio'), ...Object.keys(INNER)];
/** Those that the shared proxy listens on; standard input is a proxy's own. */
const LISTENERS = ENTRIES.filter((name) => name !== 'Stdio');
const SERVERS = 'test/integration/matrix/servers.py';
const CLIENT = 'test/integration/matrix/client.py';

describe(`any to any, with ${versionOf(PYTHON, '--version')}, ${packageVersion('websockets')} at both ends`, () => {
  let directory: string;
  let servers: Peer;
  let proxy: Peer;
  /** Where each server is. */
  let places: Record<string, number | string>;
  /** Where each listener listens. */
  let addresses: Record<string, string>;

  const nameOf = (entry: string, cluster: string): string => `${entry}-${cluster}`;
  const pathOf = (entry: string, cluster: string): string =>
    join(directory, nameOf(entry, cluster).replaceAll(' ', ''));

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '2'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], { stdio: 'pipe' });
    servers = new Peer(PYTHON, [SERVERS, directory, cert, key, ...ENTRIES.map((entry) => serverOf(entry, 'Pipe'))]);
    const [text] = await servers.output(/^\{.*\}$/mu);
    places = JSON.parse(text) as typeof places;
    const config = {
      clusters: [
        ...Object.entries(places).map(([protocol, place]) => clusterOf(protocol, place)),
        ...Object.entries(INNER).map(([name, { spec }]) => ({ name, spec })),
      ],
      listeners: LISTENERS.flatMap((entry) =>
        CLUSTERS.map((cluster) => ({
          name: nameOf(entry, cluster),
          spec: listenerSpec(entry, pathOf(entry, cluster), { cert, key }),
          rules: [{ action: { route: { destination: serverOf(entry, cluster), timeouts: { half_close: 100 } } } }],
        })),
      ),
    };
    const file = join(directory, 'l7mp.json');
    writeFileSync(file, JSON.stringify(config));
    proxy = new Peer('bin/l7mp', ['proxy', '--no-api', '-c', file]);
    const [line] = await proxy.output(/^\{.*"msg":"ready".*$/mu);
    addresses = (JSON.parse(line) as { listeners: Record<string, string> }).listeners;
  });
  after(async () => {
    await proxy.stop();
    await servers.stop();
    rmSync(directory, { recursive: true });
  });

  /** What the client dials: the listener, or, on standard input, what `l7mp pipe` is told to connect to. */
  function placeOf(entry: string, cluster: string): string {
    if (entry !== 'Stdio') return addresses[nameOf(entry, cluster)]!.replace(/^127\.0\.0\.1:/u, '');
    const server = serverOf(entry, cluster);
    return INNER[cluster]?.address ?? addressOf(server, places[server]!);
  }

  for (const entry of ENTRIES) {
    for (const cluster of CLUSTERS) {
      it(`${entry} to ${cluster}`, async () => {
        const near = CARRIES[entry]!;
        const far = CARRIES[cluster] ?? INNER[cluster]!;
        const flag = (value: boolean | undefined): string => (value ? '1' : '0');
        const largest = String(Math.min(near.largest, far.largest));
        const isEmptyKept = !near.noEmpty && !far.noEmpty;
        const facts = [flag(far.messages), flag(near.lossy ?? far.lossy), largest, flag(isEmptyKept)];
        // A session that its client cannot end would keep the pipe.
        const isOneSession = cluster === 'Pipe' && near.noEnd;
        const client = new Peer(PYTHON, [CLIENT, entry, placeOf(entry, cluster), ...facts, flag(isOneSession)]);
        expect(await client.exit, client.stderr).to.equal(0);
        expect(JSON.parse(client.stdout)).to.deep.equal({
          empty: null,
          'one byte': null,
          '1 MiB': null,
          '10,000 messages': null,
        });
      }).timeout(40_000);
    }
  }
});

describe('any to any', () => {
  it('is the table of docs/protocols.md; UPDATE=1 writes it', () =>
    checkPage(ENTRIES, CLUSTERS, (entry, cluster) =>
      CARRIES[entry]?.messages && (CARRIES[cluster] ?? INNER[cluster])?.messages ? 'messages' : 'bytes',
    ));
});
