import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { l7mp } from '../../support/command.ts';
import { ControlPlaneProcess } from '../../support/control-plane-process.ts';
import { until } from '../../support/until.ts';

const TOKEN = 'a-token-of-some-length';
const ECHO = 'clusters: [{ name: c, spec: { protocol: Echo } }]';

describe('l7mp controlplane', () => {
  let directory: string;
  let authority: Authority;
  let server: Certificate;
  let controlPlane: ControlPlaneProcess | undefined;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    authority = new Authority(directory, 'authority');
    server = authority.issue('server', {
      subject: '/CN=localhost',
      names: 'DNS:localhost,DNS:cp.example,IP:127.0.0.1',
    });
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    await controlPlane?.stop();
    controlPlane = undefined;
  });

  async function start(...args: readonly string[]): Promise<ControlPlaneProcess> {
    controlPlane = await ControlPlaneProcess.start(...args);
    return controlPlane;
  }

  function tokens(...entries: readonly object[]): string {
    const file = join(directory, 'tokens.yaml');
    writeFileSync(file, JSON.stringify(entries));
    return file;
  }

  function file(name: string, content: string): string {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  }

  it('says all that is wrong with its options, and starts nothing', async () => {
    const insecure = await l7mp(['controlplane', '--listen', '0.0.0.0:0', '--tls-client-ca', authority.file]);
    expect(insecure.stderr.split('\n').map((line) => line.slice(0, 50))).to.deep.equal([
      'l7mp: --tls-client-ca: expected --tls-cert and --t',
      'l7mp: --listen: expected a loopback address, or --',
      '',
    ]);
    expect(insecure.code).to.equal(2);
    for (const args of [
      ['--listen', 'nowhere'],
      ['--store', 'file:/x'],
      ['--max-connection-age', 'old'],
    ]) {
      const { code, stderr } = await l7mp(['controlplane', '--listen', '127.0.0.1:0', ...args]);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.contain(args[0]).and.contain('expected');
    }
    const nowhere = await l7mp([
      ...['controlplane', '--listen', '127.0.0.1:0', '--store', `embedded:${join(directory, 'store')}`],
      ...['--folder', join(directory, 'none')],
    ]);
    expect(nowhere.stderr).to.match(
      /^l7mp: --folder: expected a directory that can be read, found \S+none: .*ENOENT.*\n$/u,
    );
    const bad = file('bad.yaml', 'name: ci\n');
    const wrong = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--tokens', bad]);
    expect(wrong).to.include({
      code: 3,
      stderr: `l7mp: ${bad}: expected a list of tokens, found an object\n`,
    });
    file('bad.yaml', '- { name: ci, token: short, roles: [admin] }\n');
    const short = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--tokens', bad]);
    expect(short.stderr).to.match(/^l7mp: \S+bad\.yaml: \[0\]\.token: expected at least 16 printable .*\(line 1\)\n$/u);
    const none = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--tokens', join(directory, 'none')]);
    expect(none.stderr).to.match(/^l7mp: --tokens: expected a file that can be read, found .*ENOENT/u);
    expect(none.code).to.equal(1);
  });

  it('does not share its store, nor its port', async () => {
    const { directory: store, address } = await start();
    const shared = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--store', `embedded:${store}/store`]);
    expect(shared.stderr).to.match(/^l7mp: .*store is in use by the process \d+/u);
    const other = `embedded:${directory}/other`;
    const port = await l7mp(['controlplane', '--listen', address, '--store', other]);
    expect(port.stderr).to.contain('EADDRINUSE');
    const pages = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--http', address, '--store', other]);
    expect([shared.code, port.code, pages.code]).to.deep.equal([1, 3, 3]);
  });

  it('says that it tries a store that is not there, and why it is not', async () => {
    const { code, stderr } = await l7mp(['controlplane', '--listen', '127.0.0.1:0', '--store', 'etcd://127.0.0.1:1/x']);
    expect(stderr).to.match(/^\{.*"msg":"connecting to etcd"/mu);
    expect(stderr).to.match(
      /^l7mp: etcd can't be reached, last at \S+ \(connect ECONNREFUSED .*\): nothing was changed$/mu,
    );
    expect(code).to.equal(1);
  }).timeout(30_000);

  it('keeps what was applied when it is killed', async () => {
    const running = await start();
    await running.l7mpReading(ECHO, 'apply', '-f', '-');
    await running.restart();
    expect((await running.l7mp('get', 'cluster/c')).stdout).to.contain('Cluster/c');
  });

  it('serves pages for probes and Prometheus', async () => {
    const { http } = await start();
    for (const path of ['/healthz', '/ready']) {
      const response = await fetch(`${http}${path}`, { headers: { connection: 'close' } });
      expect([response.status, await response.text()]).to.deep.equal([200, 'ok\n']);
    }
    await controlPlane?.l7mpReading(ECHO, 'apply', '-f', '-');
    await controlPlane?.proxy('edge-1');
    const page = await until('an ACK in the metrics', async () => {
      const text = await (await fetch(`${http}/metrics`, { headers: { connection: 'close' } })).text();
      return /_acks_total\{type="type.googleapis.com\/l7mp.config.v1.Cluster"\} 1/u.test(text) && text;
    });
    for (const line of [
      'l7mp_controlplane_proxies{variant="delta"} 1',
      'l7mp_controlplane_objects{state="valid"} 1',
      'l7mp_controlplane_leader 1',
      'l7mp_controlplane_push_failures_total 0',
      'l7mp_controlplane_answer_duration_seconds_count{type="type.googleapis.com/l7mp.config.v1.Cluster"} 1',
    ]) {
      expect(page.split('\n')).to.include(line);
    }
    const missing = await fetch(`${http}/nope`, { headers: { connection: 'close' } });
    expect(missing.status).to.equal(404);
    const post = await fetch(`${http}/ready`, { method: 'POST', headers: { connection: 'close' } });
    expect(post.status).to.equal(405);
  });

  it('drains on SIGTERM: proxies are let go, and it ends with 0', async () => {
    const running = await start();
    const proxy = await running.proxy('edge-1');
    running.process.peer.signal('SIGTERM');
    expect(await running.process.peer.exit).to.equal(0);
    await running.restart();
    await until('a new connection', () => proxy.log().filter(({ msg }) => msg === 'connected to the control plane')[1]);
  });

  it('asks for tokens: who has none is told so, a reader reads, an administrator changes', async () => {
    const running = await start(
      '--tokens',
      tokens({ name: 'ci', token: TOKEN, roles: ['admin'] }, { name: 'eye', token: `${TOKEN}-r`, roles: ['reader'] }),
    );
    const admin = file('admin.token', `${TOKEN}\n`);
    const reader = file('reader.token', `${TOKEN}-r\n`);
    const nobody = await running.l7mp('get');
    expect(nobody.stderr).to.match(
      /^l7mp: 127.*: expected a bearer token, found nothing; say who you are by --token-file/u,
    );
    const refused = await running.l7mpReading(ECHO, 'apply', '-f', '-', '--token-file', reader);
    expect(refused.stderr).to.contain('token:eye is not allowed to change the configuration');
    const copied = await running.l7mp('backup', file('copy', ''), '--token-file', reader);
    expect(copied.stderr).to.contain('token:eye is not allowed to back up the configuration: a backup has the secrets');
    expect([nobody.code, refused.code, copied.code]).to.deep.equal([4, 4, 4]);
    expect(await running.l7mpReading(ECHO, 'apply', '-f', '-', '--token-file', admin)).to.include({ code: 0 });
    expect((await running.l7mp('history', '--token-file', reader)).stdout).to.contain('token:ci');
    const audit = running.process.log().filter((line) => line['audit'] === true);
    expect(audit.map(({ identity, method }) => [identity, method])).to.deep.equal([
      [undefined, undefined],
      ['token:eye', 'Apply'],
      ['token:eye', 'Backup'],
      ['token:ci', 'Apply'],
    ]);
  });

  it('reads tokens again on SIGHUP, and by itself', async () => {
    const list = (name: string): string => tokens({ name, token: TOKEN, roles: ['admin'] });
    const running = await start('--tokens', list('one'));
    const token = file('admin.token', TOKEN);
    list('two');
    running.process.peer.signal('SIGHUP');
    await running.process.logged('files were loaded again');
    await running.l7mpReading(ECHO, 'apply', '-f', '-', '--token-file', token);
    expect((await running.l7mp('history', '--token-file', token)).stdout).to.contain('token:two');
    list('three');
    await until('the change', () => running.process.log().filter(({ msg }) => msg === 'files were loaded again')[1]);
  });

  it('lets a proxy be the node that its certificate names, and no other', async () => {
    const edge = authority.issue('edge', { subject: '/CN=edge-1' });
    const ops = authority.issue('ops', { subject: '/CN=ops' });
    const running = await start(
      ...['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.file, '--admins', 'ops'],
    );
    const shown = (own: Certificate, prefix = ''): string[] => [
      ...[`--${prefix}ca`, authority.file, `--${prefix}cert`, own.cert, `--${prefix}key`, own.key],
    ];
    const proxy = await running.proxy('edge-1', ...shown(edge, 'controlplane-'));
    expect(proxy.peer.stderr).to.not.contain('Warning');
    running.startProxy('core-1', ...shown(edge, 'controlplane-'));
    const refused = await until('the refusal', () =>
      running.process.log().find((line) => line['audit'] === true && line['node'] === 'core-1'),
    );
    expect(refused['identity']).to.equal('certificate:CN=edge-1');
    const { stdout } = await running.l7mp('status', ...shown(ops));
    expect(stdout).to.contain('edge-1').and.not.contain('core-1');
    const denied = await running.l7mp('status', ...shown(edge));
    expect(denied.stderr).to.contain('certificate:CN=edge-1 is not allowed to read the configuration');
    const stranger = new Authority(directory, 'stranger');
    const distrust = await running.l7mp('status', '--ca', stranger.file);
    expect(distrust.stderr).to.match(/^l7mp: expected a control plane at .*certificate/u);
    const named = await running.l7mp('status', ...shown(ops), '--tls-server-name', 'cp.example');
    expect(named.stderr).to.equal('');
    const misnamed = await running.l7mp('status', ...shown(ops), '--tls-server-name', 'other.example');
    expect(misnamed.stderr).to.match(/altnames.*other\.example.*; --tls-server-name says/su);
    const plain = await running.l7mp('status');
    expect(plain.stderr).to.match(/^l7mp: expected a control plane at .*may want TLS/u);
    expect([denied.code, distrust.code, plain.code]).to.deep.equal([4, 4, 4]);
  });
});

describe('the commands that ask a control plane', () => {
  it('say that there is none', async () => {
    const { code, stderr } = await l7mp(['status', '--server', '127.0.0.1:1']);
    expect(stderr).to.equal(
      'l7mp: expected a control plane at 127.0.0.1:1 (--server, L7MP_SERVER): connect ECONNREFUSED 127.0.0.1:1\n',
    );
    expect(code).to.equal(4);
  });

  for (const [title, args, message, code = 2] of [
    ['an address that is none', ['--server', 'a:b:c'], '--server, L7MP_SERVER: expected HOST:PORT'],
    ['half a certificate', ['--cert', 'c.pem'], 'expected --cert and --key together'],
    ['a token that is not there', ['--token-file', '/nowhere'], '--token-file: expected a file that can be read', 1],
    [
      'TLS on http',
      ['--server', 'http://127.0.0.1:1', '--ca', 'ca.pem'],
      '--server, L7MP_SERVER: expected https beside --ca',
    ],
    ['an address as a server name', ['--tls-server-name', '10.0.0.1'], "option '--tls-server-name <name>' argument"],
    ['authorities that are not there', ['--ca', '/nowhere'], '--ca: expected a file that can be read', 1],
  ] as const) {
    it(`refuse ${title}`, async () => {
      const result = await l7mp(['status', ...args]);
      expect(result.stderr).to.contain(`l7mp: ${message}`);
      expect(result.code).to.equal(code);
    });
  }
});

describe('examples/', () => {
  it('has files that l7mp check takes', async () => {
    for (const name of ['quick-start', 'tcp']) {
      expect(await l7mp(['check', `examples/${name}.yaml`])).to.include({ code: 0 });
      expect(readFileSync(`examples/${name}.yaml`, 'utf8')).to.contain('listeners:');
    }
  });
});
