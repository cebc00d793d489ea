import { expect } from 'chai';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { selfSigned } from '../../support/self-signed.ts';
import { ControlPlaneProcess } from '../../support/control-plane-process.ts';
import { until } from '../../support/until.ts';

const listener = (name: string, port: number, more = ''): string => `listeners:
  - name: ${name}
    ${more}
    spec: { protocol: TCP, address: 127.0.0.1, port: ${port} }
    rules: [{ action: { route: { destination: { name: back-${name}, spec: { protocol: Echo } } } } }]
`;

describe('proxies of the control plane, by the command', () => {
  let controlPlane: ControlPlaneProcess;
  beforeEach(async () => {
    controlPlane = await ControlPlaneProcess.start();
  });
  afterEach(() => controlPlane.stop());

  it('apply --wait and status show how objects fare in those that they are for', async () => {
    await Promise.all([
      controlPlane.proxy('edge-1', '--labels', 'site=north'),
      controlPlane.proxy('edge-2', '--labels', 'site=south'),
    ]);
    const file = controlPlane.file('web.yaml', listener('web', 0, 'selector: { matchLabels: { site: north } }'));
    const applied = await controlPlane.l7mp('apply', '-f', file, '--wait', '--timeout', '8s');
    expect(applied).to.include({ code: 0, stdout: 'Listener/web created\n' });
    expect(applied.stderr).to.match(/^(?:0 of 1\n)?1 of 1\n$/u);
    const { stdout } = await controlPlane.l7mp('status');
    expect(stdout).to.match(
      /^PROXY +SYNC +FAULTS +ADDRESS +AGENT +LABELS +AGE\nedge-1 +Synced +0 .* l7mp\/.* site=north /u,
    );
    expect(stdout).to.match(/^edge-2 +Synced +0 .* site=south /mu);
    expect(stdout).to.match(/^Listener\/web +Serving +1 of 1 +site=north /mu);
    const explained = await controlPlane.l7mp('explain', 'listener/web');
    expect(explained.stdout).to.match(/^object +Listener\/web\nstatus +Serving, in 1 of 1 proxies\nfor +site=north\n/u);
    expect(explained.stdout).to.match(/\nedge-1 +Serving\n$/u);
    const waited = await controlPlane.l7mp('wait', '--applied', 'li/web', '--json');
    expect(JSON.parse(waited.stdout)).to.deep.equal({ selected: 1, reached: 1 });
  });

  it('say why an object fails in one', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = taken.address() as { port: number };
      await controlPlane.proxy('edge-1');
      const file = controlPlane.file('web.yaml', listener('web', port));
      const { code, stderr } = await controlPlane.l7mp('apply', '-f', file, '--wait', '--timeout', '2s');
      expect(stderr).to.match(
        /l7mp: expected all within 2 s, found 0 of 1\nListener\/web: 0 of 1\n {2}edge-1: .*ADDRESS_IN_USE/u,
      );
      expect(code).to.equal(5);
      const { stdout } = await controlPlane.l7mp('status');
      expect(stdout).to.match(/^edge-1 +Synced +1 /mu);
      expect(stdout).to.match(/^Listener\/web +Failed +0 of 1 /mu);
      expect(stdout).to.match(/\n\nedge-1: Listener\/web: failed: ADDRESS_IN_USE/u);
      expect((await controlPlane.l7mp('explain', 'listener/web')).stdout).to.match(
        /\nedge-1 +Failed +.*ADDRESS_IN_USE/u,
      );
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });

  it('say where an object serves that fails in others', async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    await Promise.all([controlPlane.proxy('edge-1'), controlPlane.proxy('edge-2')]);
    await controlPlane.l7mp('apply', '-f', controlPlane.file('web.yaml', listener('web', port)));
    const explained = await until('one to have the port', async () => {
      const { stdout } = await controlPlane.l7mp('explain', 'listener/web');
      return /^edge-\d +Serving$/mu.test(stdout) && stdout.includes('ADDRESS_IN_USE') && stdout;
    });
    expect(explained).to.match(/^status +Failed, in 1 of 2 proxies$/mu);
    expect(explained).to.match(/^edge-\d +Failed +\S*ADDRESS_IN_USE/mu);
  });

  it('say what an object waits for in one', async () => {
    const edge = await controlPlane.proxy('edge-1');
    const tls = `listeners:
  - name: web
    spec: { protocol: TLS, address: 127.0.0.1, port: 0, tls: { cert: 'secret:s', key: 'secret:s' } }
    rules: []
`;
    const file = controlPlane.file('web.yaml', tls);
    const { code, stderr } = await controlPlane.l7mp('apply', '-f', file, '--wait', '--timeout', '2s');
    expect(stderr).to.match(/found 0 of 1\nListener\/web: 0 of 1\n {2}edge-1: Listener\/web waits for secret s\n$/u);
    expect(code).to.equal(5);
    expect((await controlPlane.l7mp('explain', 'listener/web')).stdout).to.match(
      /\nedge-1 +Waiting +waits for secret s/u,
    );
    expect((await controlPlane.l7mp('status')).stdout).to.match(
      /^edge-1 +Synced +0 .*[^]*: waiting: waits for secret s$/mu,
    );
    expect(await edge.logged('a listener waits for its secrets')).to.deep.include({ missing: ['secret s'] });
    await controlPlane.l7mpReading(
      JSON.stringify({ secrets: [{ name: 's', ...selfSigned('s') }] }),
      'apply',
      '-f',
      '-',
    );
    const served = await controlPlane.l7mp('wait', 'listener/web', '--timeout', '6s');
    expect(served).to.include({ code: 0 });
    expect((await controlPlane.l7mp('status')).stdout).to.not.contain('waiting');
  }).timeout(30_000);

  it('say what is left without what it names, when that is deleted and after that', async () => {
    const edge = await controlPlane.proxy('edge-1');
    const file = controlPlane.file(
      'web.yaml',
      `listeners:
  - name: web
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ action: { route: app } }]
routes:
  - name: app
    destination: app
clusters:
  - name: app
    spec: { protocol: Echo }
`,
    );
    await controlPlane.l7mp('apply', '-f', file, '--wait', '--timeout', '8s');
    const warning = 'warning: Route/app: destination: expected the name of a cluster that exists, found "app"\n';
    for (const [args, stdout] of [
      [['delete', 'cluster', 'app', '--dry-run'], 'Cluster/app deleted (dry run)\n'],
      [['delete', 'cluster', 'app'], 'Cluster/app deleted\n'],
    ] as const) {
      expect(await controlPlane.l7mp(...args)).to.deep.equal({ code: 0, stdout, stderr: warning });
    }
    // The listener listens, and has sessions that it can serve: it is not `Failed`, and not plainly `Serving`.
    await until('the proxy to say so', async () => {
      const { stdout } = await controlPlane.l7mp('status');
      return (
        /^Listener\/web +Programmed +0 of 1 /mu.test(stdout) && /^Route\/app +Programmed /mu.test(stdout) && stdout
      );
    });
    const { stdout } = await controlPlane.l7mp('status');
    expect(stdout.split('\n')).to.include.members([
      warning.trim(),
      'edge-1: Listener/web: waiting: lacks cluster app',
      'edge-1: Route/app: waiting: lacks cluster app',
    ]);
    expect((await controlPlane.l7mp('explain', 'listener/web')).stdout).to.match(
      /\nedge-1 +Waiting +lacks cluster app\n/u,
    );
    expect((await controlPlane.l7mp('get', 'route')).stdout).to.match(/^Route\/app +Programmed +0 of 1 /mu);
    const { code, stderr } = await controlPlane.l7mp('wait', 'route/app', '--timeout', '5s');
    expect(stderr).to.match(/Route\/app: 0 of 1\n {2}edge-1: Route\/app lacks cluster app\n$/u);
    expect(code).to.equal(5);
    expect(edge.log().filter(({ msg }) => msg === 'listener serves')).to.have.length(1);
    // An update may leave others so, too; diff and dry runs of it say so with the lines of what is in the file.
    const half = controlPlane.file('half.yaml', 'routes:\n  - name: app\n    destination: app\n');
    const located =
      /^\S*half\.yaml:3: warning: .*destination: expected the name of a cluster that exists, found "app"\n/u;
    expect((await controlPlane.l7mp('apply', '-f', half, '--dry-run')).stderr).to.match(located);
    const rolled = await controlPlane.l7mp('rollback');
    expect(rolled).to.include({ code: 0, stdout: 'Cluster/app created\n', stderr: '' });
    expect(await controlPlane.l7mp('wait', '--timeout', '8s')).to.include({ code: 0 });
    const back = await controlPlane.l7mp('rollback');
    expect(back).to.include({ code: 0, stdout: 'Cluster/app deleted\n', stderr: warning });
  }).timeout(60_000);

  it('wait ends in time where there are not enough', async () => {
    const { code, stderr } = await controlPlane.l7mp('wait', '--min-proxies', '1', '--timeout', '500ms');
    expect(stderr).to.contain('expected all of at least 1 proxies within 0.5 s');
    expect(code).to.equal(5);
    expect(await controlPlane.l7mp('wait', '--timeout', 'soon')).to.include({ code: 2 });
  });

  it('rollout: a change goes to some first, and on when it is told to', async () => {
    await Promise.all([controlPlane.proxy('edge-1'), controlPlane.proxy('edge-2')]);
    const first = controlPlane.file('web.yaml', listener('web', 0));
    await controlPlane.l7mp('apply', '-f', first, '--wait', '--timeout', '8s');
    controlPlane.file(
      'web.yaml',
      listener('web', 0, 'labels: { version: two }').replace(
        'rules: [',
        'options: { idle_timeout: 5000 }\n    rules: [',
      ),
    );
    const begun = await controlPlane.l7mp('apply', '-f', first, '--rollout', '50', '--manual', '-m', 'two');
    expect(begun.stderr).to.equal('');
    const status = await controlPlane.l7mp('rollout', 'status');
    expect(status.stdout).to.match(
      /^rollout +\S+, by loopback\nstate +progressing.*\n.*\nsteps +50 %, 100 %, each when it is told to; at most 0 may fail\nchange +Listener\/web updated\n/u,
    );
    const explained = await controlPlane.l7mp('explain', 'listener/web');
    await until('one of two with the new version', async () => {
      const { stdout } = await controlPlane.l7mp('explain', 'listener/web');
      return /^PROXY +VERSION +STATUS/mu.test(stdout) && stdout.includes(' (new) ') && stdout.includes(' (old) ');
    });
    expect(explained.stdout).to.match(/^rollout +\S+, (?:progressing|paused) at \d+ % \(.+\)$/mu);
    const wide = await controlPlane.l7mp('get', 'listener', '-o', 'wide');
    expect(wide.stdout).to.match(/ ROLLOUT .*\nListener\/web .* (?:progressing|paused) at \d+ %\n/u);
    const promoted = await controlPlane.l7mp('rollout', 'promote');
    expect(promoted.stdout).to.match(/^state +completed/mu);
    expect((await controlPlane.l7mp('rollout', 'list')).stdout).to.match(/^ROLLOUT +STATE .*\n\S+ +completed +100 % /u);
    expect(await controlPlane.l7mp('rollout', 'next')).to.deep.equal({
      code: 4,
      stdout: '',
      stderr: 'l7mp: no rollout is under way\n',
    });
    expect((await controlPlane.l7mp('history')).stdout).to.match(/Listener\/web updated +.*two$/mu);
  }).timeout(30_000);

  it('apply --rollout --wait follows it to its end, and fails where it goes back', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = taken.address() as { port: number };
      await controlPlane.proxy('edge-1');
      const file = controlPlane.file('web.yaml', listener('web', port));
      const { code, stderr } = await controlPlane.l7mp(
        'apply',
        '-f',
        file,
        '--rollout',
        '50',
        '--wait',
        '--timeout',
        '6s',
      );
      expect(stderr).to.match(/^l7mp: rollout \S+ is rolled-back: /mu);
      expect(code).to.equal(5);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });

  it('history and rollback: what was changed, by whom, and back', async () => {
    const none = await controlPlane.l7mp('rollback');
    expect(none.stderr).to.equal('l7mp: expected a change to go back from, found none\n');
    expect((await controlPlane.l7mp('history')).stderr).to.equal('nothing found\n');
    const web = controlPlane.file('web.yaml', listener('web', 5000));
    await controlPlane.l7mp('apply', '-f', web, '-m', 'the first');
    controlPlane.file('web.yaml', listener('web', 5001));
    await controlPlane.l7mp('apply', '-f', web, '-m', 'another port');
    const { stdout } = await controlPlane.l7mp('history', 'listener/web');
    expect(stdout).to.match(
      /^VERSION +AGE +WHO +CHANGES +MESSAGE\n2 +\S+ +loopback +Listener\/web updated +another port\n1 .*created +the first\n$/u,
    );
    const shown = await controlPlane.l7mp('history', '--show', '2');
    expect(shown.stdout).to.contain('-      port: 5000\n+      port: 5001\n');
    expect(await controlPlane.l7mp('rollback', '--only', 'listener/wbe')).to.deep.equal({
      code: 4,
      stdout: '',
      stderr:
        'l7mp: expected an object that is there, or was after version 1, found no Listener/wbe (perhaps Listener/web)\n',
    });
    const dry = await controlPlane.l7mp('rollback', '--dry-run');
    expect(dry.stdout).to.contain('-      port: 5001\n+      port: 5000\n');
    expect((await controlPlane.l7mp('rollback', '-m', 'back')).stdout).to.equal('Listener/web updated\n');
    expect((await controlPlane.l7mp('get', 'listener/web', '-o', 'yaml')).stdout).to.contain('port: 5000');
    expect((await controlPlane.l7mp('rollback', '2', '--only', 'listener/web')).stdout).to.equal(
      'Listener/web updated\n',
    );
    expect((await controlPlane.l7mp('get', 'listener/web', '-o', 'yaml')).stdout).to.contain('port: 5001');
    expect(await controlPlane.l7mp('history', '--show', '99')).to.include({ code: 4 });
    expect(await controlPlane.l7mp('rollback', '99')).to.deep.equal({
      code: 4,
      stdout: '',
      stderr: 'l7mp: expected a version from 1 to 4, found 99\n',
    });
    // 0 is no version: it does not stand for none.
    for (const words of [
      ['rollback', '0'],
      ['history', '-n', '0'],
      ['history', '--show', '0'],
    ]) {
      const { code, stderr } = await controlPlane.l7mp(...words);
      expect(stderr, words.join(' ')).to.contain('expected a whole number from 1');
      expect(code).to.equal(2);
    }
    expect((await controlPlane.l7mp('get', 'listener/web', '-o', 'yaml')).stdout).to.contain('port: 5001');
  }).timeout(30_000);

  it('backup and restore: all that there is, in a file that nobody else reads', async () => {
    const backup = `${controlPlane.directory}/backup.l7mp`;
    const secret = JSON.stringify({ secrets: [{ name: 's', ca: selfSigned('s.example').cert }] });
    await controlPlane.l7mp('apply', '-f', controlPlane.file('web.yaml', listener('web', 5000)));
    await controlPlane.l7mpReading(secret, 'apply', '-f', '-');
    expect(await controlPlane.l7mp('backup', backup)).to.include({ code: 0, stdout: '' });
    expect(statSync(backup).mode & 0o777).to.equal(0o600);
    const nowhere = await controlPlane.l7mp('backup', '/nowhere/backup.l7mp');
    expect(nowhere.stderr).to.match(
      /^l7mp: \/nowhere\/backup\.l7mp: expected a file that can be written, found ENOENT/u,
    );
    expect(nowhere.code).to.equal(1);
    await controlPlane.l7mp('delete', 'listener', 'web');
    expect((await controlPlane.l7mp('restore', backup)).stderr).to.match(/^\d objects were restored\n$/u);
    expect((await controlPlane.l7mp('get', 'listener')).stdout).to.contain('Listener/web');
    const damaged = readFileSync(backup, 'utf8').slice(0, -20);
    const refused = await controlPlane.l7mpReading(damaged, 'restore', '-');
    expect(refused.stderr).to.contain('nothing was changed');
    expect(refused.code).to.equal(4);
    expect((await controlPlane.l7mp('get', 'listener')).stdout).to.contain('Listener/web');
  }).timeout(30_000);
});
