/** The package as its users get it: installed from its tarball into an empty folder, where no script of a package runs. */
import { expect } from 'chai';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, versionOf } from '../../support/peer.ts';

const LISTENER =
  '{ name: in, spec: { protocol: TCP, address: 127.0.0.1, port: 0 }, ' +
  'rules: [{ action: { route: { destination: { spec: { protocol: Echo } } } } }] }';

const UNREACHABLE = /E(?:AI_AGAIN|CONNREFUSED|CONNRESET|NOTFOUND|TIMEDOUT|NETUNREACH)|ENOTCACHED|network/u;

describe(`the package, installed by npm ${versionOf('npm', '--version')}`, function () {
  this.timeout(240_000);
  let directory: string;
  let home: string;

  before(async function () {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-package-'));
    home = join(directory, 'empty');
    mkdirSync(home);
    const packed = new Peer('npm', ['pack', '--ignore-scripts', '--pack-destination', directory]);
    expect(await packed.exit, packed.stderr).to.equal(0);
    const tarball = readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '';
    writeFileSync(join(home, 'package.json'), '{ "private": true }');
    const npm = new Peer('npm', [
      ...['install', '--prefix', home, '--ignore-scripts', '--omit', 'dev', '--prefer-offline'],
      ...['--no-audit', '--no-fund', '--fetch-retries', '0', join(directory, tarball)],
    ]);
    if ((await npm.exit) === 0) return;
    if (!UNREACHABLE.test(npm.stderr)) throw new Error(npm.stderr);
    process.stderr.write(
      `    not run: the registry can not be reached, and npm's cache lacks a package:\n${npm.stderr}\n`,
    );
    this.skip();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const peers: Peer[] = [];
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
  });

  const within = (command: string, ...args: readonly string[]): Peer => {
    const peer = new Peer('sh', ['-c', 'cd "$0" && exec "$@"', home, command, ...args]);
    peers.push(peer);
    return peer;
  };
  const npx = (...args: readonly string[]): Peer => within('npx', '--no-install', 'l7mp', ...args);
  /** The same without npx in between, which would not hand on every signal. */
  const start = (...args: readonly string[]): Peer => within('node_modules/.bin/l7mp', ...args);
  const end = async (peer: Peer): Promise<void> => {
    peer.signal('SIGTERM');
    expect(await peer.exit, peer.stderr).to.equal(0);
  };

  it('says its version', async () => {
    const peer = npx('--version');
    expect(await peer.exit, peer.stderr).to.equal(0);
    expect(peer.stdout).to.match(/^\d+\.\d+\.\d+/u);
  });

  it('has what it runs with, and neither tests nor sources', () => {
    const root = join(home, 'node_modules/l7mp');
    const files = readdirSync(root, { recursive: true }) as string[];
    for (const file of ['ebpf/udp.bpf.o', 'man/l7mp.1', 'LICENSE', 'README.md']) {
      expect(existsSync(join(root, file)), file).to.equal(true);
    }
    expect(files.filter((file) => /(?:^|\/)test\/|\.map$|tsbuildinfo|(?<!\.d)\.ts$/u.test(file))).to.deep.equal([]);
  });

  it('pipes standard input to UDP, and UDP, which takes system calls, to a stage of its own', async () => {
    const relay = start('pipe', '-v', 'udp-listen:0,bind=127.0.0.1', 'echo');
    const [, port = ''] = await relay.output(/"listening":"127\.0\.0\.1:(\d+)"/u);
    const pipe = npx('pipe', '-', `udp:127.0.0.1:${port}`);
    pipe.write('hello');
    await pipe.output(/hello/u);
    pipe.endInput();
    expect(await pipe.exit, pipe.stderr).to.equal(0);
    await end(relay);
  });

  it('runs a proxy', async () => {
    writeFileSync(join(home, 'l7mp.yaml'), `admin: { api: { port: 0 } }\nlisteners: [${LISTENER}]\n`);
    const proxy = start('proxy', '-c', 'l7mp.yaml');
    await proxy.output(/"msg":"ready"/u);
    await end(proxy);
  });

  it('runs a control plane with the embedded store, and a proxy that takes its configuration from it', async () => {
    writeFileSync(join(home, 'objects.yaml'), `listeners: [${LISTENER}]\n`);
    const controlPlane = start('controlplane', '--listen', '127.0.0.1:0', '--store', 'embedded:store');
    const [, server = ''] = await controlPlane.output(/"address":"(127\.0\.0\.1:\d+)"/u);
    const proxy = start('proxy', '--controlplane', server, '--id', 'one', '--no-api');
    const apply = npx('apply', '--server', server, '-f', 'objects.yaml');
    expect(await apply.exit, apply.stderr).to.equal(0);
    await proxy.output(/"msg":"listener serves"/u);
    await end(proxy);
    await end(controlPlane);
  });
});
