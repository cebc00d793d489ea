import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../support/certificates.ts';
import { L7MP, l7mp, runCommand } from '../../support/command.ts';

/** Four faults, each on a line of its own. */
const BAD = `listeners:
  - name: in
    spec: { protocol: TCP, port: 70000 }
    rules:
      - action: { route: { destination: out } }
  - name: other
    spec: { protocol: TPC, port: 1 }
    rules: none
clusters:
  - name: out
    spec: { protocol: UDP, prot: 5000 }
clutsers: []
`;
const LINES = {
  3: 'listeners[0].spec.port',
  7: 'listeners[1].spec.protocol',
  11: 'clusters[0].spec.prot',
  12: 'clutsers',
};

describe('l7mp check', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    file = join(directory, 'l7mp.yaml');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('is content with a good file, from its name, standard input or a pipe', async () => {
    expect(await l7mp(['check', 'examples/quick-start.yaml'])).to.deep.equal({
      code: 0,
      stdout: 'examples/quick-start.yaml: ok\n',
      stderr: '',
    });
    expect(await l7mp(['check', '-'], '{}')).to.deep.equal({ code: 0, stdout: 'standard input: ok\n', stderr: '' });
    const pipe = await runCommand('bash', ['-c', `'${L7MP}' check <(echo '{}')`]);
    expect(pipe.stdout).to.match(/^\/dev\/fd\/\d+: ok$/mu);
    expect(JSON.parse((await l7mp(['check', '-', '--json'], '{}')).stdout)).to.deep.equal({
      ok: true,
      faults: [],
      warnings: [],
    });
  });

  it('refuses a file without anything in it, as a reload does', async () => {
    const refusal = 'configuration: expected a configuration, or {} for none, found an empty file';
    for (const empty of ['', '\n', '# later\n---\n']) {
      expect(await l7mp(['check', '-'], empty)).to.deep.equal({
        code: 3,
        stdout: '',
        stderr: `standard input: ${refusal}\n`,
      });
    }
  });

  it('says all that is wrong at once, as FILE:LINE: FIELD: expected …, found …', async () => {
    writeFileSync(file, BAD);
    const { code, stdout, stderr } = await l7mp(['check', file]);
    const found = stderr.trim().split('\n');
    for (const [line, field] of Object.entries(LINES)) {
      const fault = found.find((each) => each.startsWith(`${file}:${line}: ${field}: expected `));
      expect(fault, stderr).to.match(/, found /u);
    }
    expect(stderr).to.contain('perhaps TCP').and.contain('perhaps port').and.contain('perhaps clusters');
    expect([code, stdout]).to.deep.equal([3, '']);
  });

  it('says the same in JSON', async () => {
    const { code, stdout } = await l7mp(['check', '-', '--json'], BAD);
    const { ok, faults } = JSON.parse(stdout) as { ok: boolean; faults: { line: number; path: string }[] };
    expect(ok).to.equal(false);
    expect(Object.fromEntries(faults.map(({ line, path }) => [line, path]))).to.deep.include(LINES);
    expect(code).to.equal(3);
  });

  it('warns of a name that nobody has, which may come yet', async () => {
    const text = 'listeners: [{ name: in, spec: { protocol: TCP, port: 1 }, rules: later }]';
    const { code, stderr } = await l7mp(['check', '-'], text);
    expect(stderr).to.match(/^standard input:1: warning: listeners\S*: expected .*later/u);
    expect(code).to.equal(0);
  });

  it('finds what the proxy would stumble over before it listens', async () => {
    const own = makeCertificate(directory, 'own', 'IP:127.0.0.1');
    const other = makeCertificate(directory, 'other', 'IP:127.0.0.1');
    const tls = (name: string, port: number, cert: string, key: string): object => ({
      name,
      spec: { protocol: 'TLS', port, tls: { cert, key } },
      rules: [],
    });
    const admin = { api: { port: 0, tls: { cert: own.cert, key: own.key } } };
    const good = { admin, listeners: [tls('good', 1, own.cert, own.key)] };
    expect(await l7mp(['check', '-'], JSON.stringify(good))).to.deep.equal({
      code: 0,
      stdout: 'standard input: ok\n',
      stderr: '',
    });
    const bad: Record<string, object> = {
      'listeners.absent': { listeners: [tls('absent', 1, '/no/such.pem', own.key)] },
      'listeners.pair': { listeners: [tls('pair', 1, own.cert, other.key)] },
      'listeners.second.spec': {
        listeners: [
          { name: 'first', spec: { protocol: 'HTTP', address: '127.0.0.1', port: 5 }, rules: [] },
          { name: 'second', spec: { protocol: 'TCP', address: '127.0.0.1', port: 5 }, rules: [] },
          { name: 'third', spec: { protocol: 'UDP', address: '127.0.0.1', port: 5 }, rules: [] },
        ],
      },
      'clusters.pair': {
        clusters: [{ name: 'pair', spec: { protocol: 'TLS', tls: { cert: own.cert, key: other.key } } }],
      },
      'admin.api': { admin: { api: { address: '0.0.0.0' } } },
      'admin.access_log_path': { admin: { access_log_path: '/no/such/directory/log' } },
      'admin.log_file': { admin: { log_file: directory } },
    };
    for (const [path, config] of Object.entries(bad)) {
      const { code, stdout, stderr } = await l7mp(['check', '-'], JSON.stringify(config));
      expect(stderr.trim().split('\n'), path).to.have.length(1);
      expect(stderr).to.contain(path);
      expect([code, stdout], path).to.deep.equal([3, '']);
    }
  }).timeout(30_000);

  it('names the lines of what it finds so, and of what it warns of, in objects that are written in others, too', async () => {
    const text = `admin:
  access_log_path: /no/such/directory/log
listeners:
  - name: first
    spec: { protocol: TCP, address: 127.0.0.1, port: 5 }
    rules:
      - action:
          route:
            destination:
              spec:
                protocol: TLS
                tls: { ca: /no/such.pem }
  - spec: { protocol: TCP, address: 127.0.0.1, port: 5 }
    rules: later
`;
    const lines = async (from: string): Promise<(number | undefined)[]> => {
      const { stdout } = await l7mp(['check', '-', '--json'], from);
      const { faults, warnings } = JSON.parse(stdout) as Record<'faults' | 'warnings', { line?: number }[]>;
      return [...faults, ...warnings].map(({ line }) => line);
    };
    expect(await lines(text)).to.deep.equal([2]);
    const without = text.replace(/^ {2}access.*\n/mu, '  log_level: info\n');
    expect(await lines(without)).to.deep.equal([9, 13]);
    const doubtful = without
      .replace('/no/such.pem', 'secret:roots')
      .replace(/port: 5 \}\n {4}rules: later/u, 'port: 6 }\n    rules: later');
    expect(await lines(doubtful)).to.deep.equal([12, 14]);
    expect((await l7mp(['check', '-'], without)).stderr.split('\n')[0]).to.match(
      /^standard input:9: clusters\.first\S*: expected /u,
    );
  });

  it('finds the log files that the proxy refuses to start with', async () => {
    const admin = { api: { port: 0 }, log_file: directory, access_log_path: join(directory, 'none', 'access.log') };
    writeFileSync(file, JSON.stringify({ admin }));
    for (const command of [
      ['check', file],
      ['proxy', '-c', file],
    ]) {
      const { code, stderr } = await l7mp(command);
      expect(stderr).to.match(/admin.log_file: expected a file that can be written to, found .* is a directory/u);
      expect(stderr).to.match(/admin.access_log_path: expected a file that can be written to, found ENOENT/u);
      expect(code).to.equal(3);
    }
  });

  it('warns of what can be configured, but will hardly do what was meant', async () => {
    const cluster = (name: string, more: object): object => ({ name, spec: { protocol: 'UDP', port: 1 }, ...more });
    const clusters = [
      cluster('a', { spec: { protocol: 'StdioFork', command: 'no-such-program' } }),
      cluster('b', { loadbalancer: { policy: 'HashRing' } }),
      cluster('c', { health_check: { type: 'udp' } }),
      cluster('d', { spec: { protocol: 'TLS', tls: { ca: 'secret:roots' } } }),
      cluster('e', { spec: { protocol: 'StdioFork', command: 'cat' } }),
    ];
    const { code, stdout } = await l7mp(['check', '-', '--json'], JSON.stringify({ clusters }));
    const { warnings } = JSON.parse(stdout) as { warnings: { path: string }[] };
    expect(warnings.map(({ path }) => path)).to.deep.equal([
      'clusters.a.spec.command',
      'clusters.b.loadbalancer.key',
      'clusters.c.health_check.send',
      'clusters.d.spec.tls',
    ]);
    expect(code).to.equal(0);
  });

  it('names the line of what is no YAML', async () => {
    const { code, stderr } = await l7mp(['check', '-'], 'listeners:\n  - { name: in\nclusters: []\n');
    expect(stderr).to.match(/^standard input:[23]: configuration: expected YAML or JSON, found /u);
    expect(code).to.equal(3);
  });

  it('ends with exit code 1 where the file cannot be read', async () => {
    const { code, stdout, stderr } = await l7mp(['check', file]);
    expect(stderr).to.match(new RegExp(`^l7mp: ${file}: expected a file that can be read, found ENOENT`, 'u'));
    expect([code, stdout]).to.deep.equal([1, '']);
    expect((await l7mp(['check', directory])).code).to.equal(1);
  });
});
