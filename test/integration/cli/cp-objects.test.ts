import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPlaneProcess, LoggingProcess } from '../../support/control-plane-process.ts';
import { until } from '../../support/until.ts';

const WEB = `listeners:
  - name: web
    labels: { team: a }
    selector: { matchLabels: { site: north } }
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ action: { route: { destination: app } } }]
clusters:
  - name: app
    spec: { protocol: TCP, port: 80 }
    endpoints: [10.0.0.1]
`;

describe('objects of the control plane, by the command', () => {
  let controlPlane: ControlPlaneProcess;
  let web: string;
  beforeEach(async () => {
    controlPlane = await ControlPlaneProcess.start();
    web = controlPlane.file('web.yaml', WEB);
  });
  afterEach(() => controlPlane.stop());

  /** The names of all objects. */
  async function names(): Promise<string[]> {
    const { stdout } = await controlPlane.l7mp('get', '-o', 'json');
    const objects = JSON.parse(stdout) as { key: { kind: string; name: string } }[];
    return objects.map(({ key }) => `${key.kind}/${key.name}`);
  }

  it('apply makes and replaces them, and says what it did', async () => {
    expect(await controlPlane.l7mp('apply', '-f', web)).to.deep.equal({
      code: 0,
      stdout: 'Listener/web created\nCluster/app created\n',
      stderr: '',
    });
    controlPlane.file('web.yaml', WEB.replace('10.0.0.1', '10.0.0.2'));
    const { stdout } = await controlPlane.l7mp('apply', '-f', web);
    expect(stdout.split('\n')).to.have.members(['Cluster/app updated', 'Listener/web unchanged', '']);
    const json = await controlPlane.l7mp('apply', '-f', web, '--json');
    expect(JSON.parse(json.stdout)).to.include({ version: 0 });
  });

  it('apply takes directories and standard input', async () => {
    const directory = join(controlPlane.directory, 'config');
    mkdirSync(directory);
    writeFileSync(join(directory, 'a.yaml'), 'clusters: [{ name: a, spec: { protocol: Echo } }]');
    writeFileSync(join(directory, 'b.json'), '{"clusters": [{"name": "b", "spec": {"protocol": "Echo"}}]}');
    writeFileSync(join(directory, 'notes.txt'), 'not: [this');
    expect(await controlPlane.l7mp('apply', '-f', directory)).to.include({ code: 0, stderr: '' });
    const text = 'clusters: [{ name: c, spec: { protocol: Echo } }]';
    expect(await controlPlane.l7mpReading(text, 'apply', '-f', '-')).to.include({ code: 0 });
    expect(await names()).to.deep.equal(['Cluster/a', 'Cluster/b', 'Cluster/c']);
  });

  it('apply refuses files with all faults of all of them, each with its line, and changes nothing', async () => {
    const bad = controlPlane.file(
      'bad.yaml',
      `listeners:
  - name: web
    spec: { protocol: UDPP }
    rules: []
  - name: other
    spec:
      protocol: UDP
      port: 99999
    rules: []
`,
    );
    const { code, stderr, stdout } = await controlPlane.l7mp(
      'apply',
      '-f',
      bad,
      '-f',
      controlPlane.file('good.yaml', 'clusters: [{name: c, spec: {protocol: Echo}}]'),
    );
    expect(stderr.split('\n').map((line) => line.replace(/: expected .*/u, ''))).to.deep.equal([
      `${bad}:3: listeners[0].spec.protocol`,
      `${bad}:8: listeners[1].spec.port`,
      '',
    ]);
    expect(stderr).to.contain('(perhaps UDP), found "UDPP"').and.contain('from 0 to 65535, found 99999');
    expect([code, stdout]).to.deep.equal([3, '']);
    expect(await names()).to.deep.equal([]);
  });

  it('apply says what is wrong with the form of files before anything is sent', async () => {
    const one = controlPlane.file('one.yaml', 'listenerz: []\nclusters:\n  - spec: { protocol: Echo }\n');
    const two = controlPlane.file('two.yaml', 'clusters: [\n');
    const twice = controlPlane.file('twice.yaml', WEB);
    const forms = await controlPlane.l7mp('apply', '-f', one, '-f', two);
    expect(forms.stderr).to.match(/^.*one\.yaml:1: listenerz: expected a known field \(perhaps listeners\)/mu);
    expect(forms.stderr).to.match(/^.*one\.yaml:3: clusters\[0\]\.name: expected a name/mu);
    expect(forms.stderr).to.match(/^.*two\.yaml:\d: expected YAML or JSON/mu);
    expect(forms.code).to.equal(3);
    const doubles = await controlPlane.l7mp('apply', '-f', web, '-f', twice);
    expect(doubles.stderr).to.match(
      /^.*twice\.yaml:2: listeners\[0\]\.name: expected each object once, found Listener\/web/mu,
    );
    expect(doubles.stderr).to.contain('Cluster/app again');
    // What the objects say is told with it, those of files whose form is right included.
    const three = controlPlane.file(
      'three.yaml',
      `listeners:
  - name: a
    spec: { protocol: TPC }
    rules: []
  - spec: { protocol: TCP }
secrets:
  - { name: s, ca: 'sha256:${'0'.repeat(64)}' }
`,
    );
    const four = controlPlane.file('four.yaml', 'secrets: [{ name: t, ca: none }]');
    const all = await controlPlane.l7mp('apply', '-f', four, '-f', three);
    expect(all.stderr.split('\n').map((line) => line.replace(/: expected .*/u, ''))).to.have.members([
      `${three}:3: listeners[0].spec.protocol`,
      `${three}:5: listeners[1].name`,
      `${three}:5: listeners[1].spec.port`,
      `${three}:5: listeners[1].rules`,
      `${four}:1: secrets[0].ca`,
      '',
    ]);
    const five = controlPlane.file('five.yaml', 'clusters: [{ name: a, lables: {}, spec: { protocol: Echo } }]');
    const misspelt = await controlPlane.l7mp('apply', '-f', five);
    expect(misspelt.stderr).to.equal(
      `${five}:1: clusters[0].lables: expected a known field (perhaps labels), found "lables"\n`,
    );
    for (const [expected, ...args] of [
      [2],
      [1, '-f', 'nowhere.yaml'],
      [2, '-f', controlPlane.file('empty.yaml', '{}')],
      [2, '-f', web, '--replace'],
    ] as const) {
      const { code, stderr } = await controlPlane.l7mp('apply', ...args);
      expect(code, stderr).to.equal(expected);
      expect(stderr).to.match(/^l7mp: (?:nowhere\.yaml: )?expected /u);
    }
    expect(await names()).to.deep.equal([]);
  });

  it('apply warns of names that nothing has, with the line', async () => {
    const text = WEB.slice(0, WEB.indexOf('clusters:'));
    const { code, stderr } = await controlPlane.l7mp('apply', '-f', controlPlane.file('half.yaml', text));
    expect(stderr).to.match(/half\.yaml:\d: warning: .*expected the name of a cluster that exists.*app/u);
    expect(code).to.equal(0);
  });

  it('apply --dry-run and diff say what would change, and change nothing', async () => {
    await controlPlane.l7mp('apply', '-f', web);
    controlPlane.file('web.yaml', WEB.replace('10.0.0.1', '10.0.0.2'));
    const dry = await controlPlane.l7mp('apply', '-f', web, '--dry-run');
    expect(dry.stdout).to.contain('Cluster/app updated (dry run)');
    const diff = await controlPlane.l7mp('diff', '-f', web);
    expect(diff.stdout).to.equal(`--- Cluster/app
+++ Cluster/app
@@ -1,7 +1,7 @@
 clusters:
   - name: app
     endpoints:
-      - 10.0.0.1
+      - 10.0.0.2
     spec:
       port: 80
       protocol: TCP
`);
    expect(diff.code).to.equal(1);
    controlPlane.file('web.yaml', WEB);
    expect(await controlPlane.l7mp('diff', '-f', web)).to.deep.equal({ code: 0, stdout: '', stderr: '' });
  });

  it('delete does not take objects behind a file for files: it takes one or the other', async () => {
    const app = controlPlane.file('app.yaml', 'clusters: [{ name: app, spec: { protocol: TCP, port: 80 } }]');
    const { code, stderr } = await controlPlane.l7mp('delete', '-f', app, 'rule', 'r');
    expect(code).to.equal(2);
    expect(stderr).not.to.contain('ENOENT').and.not.to.contain('no such file');
  });

  it('apply --prune deletes what no file has, but no raw resources', async () => {
    const raw = controlPlane.file('raw.json', '[{"type_url": "type.example/a.B", "name": "r", "value": "AAE="}]');
    const other = controlPlane.file('other.yaml', 'rules: [{ name: r, action: { route: { destination: app } } }]');
    await controlPlane.l7mp('apply', '-f', web, '-f', other, '--raw', raw);
    const { stdout } = await controlPlane.l7mp('apply', '-f', web, '--prune');
    expect(stdout).to.contain('Rule/r deleted');
    expect(await names()).to.have.members(['Cluster/app', 'Listener/web', 'type.example/a.B/r']);
  });

  it('apply --raw takes bytes as they are; --replace deletes others of their types; get -o raw gives them back', async () => {
    const item = (name: string, value: string): object => ({ type_url: 'type.example/a.B', name, value });
    const list = [item('one', 'AAE='), item('two', '/w==')];
    const file = controlPlane.file('raw.json', JSON.stringify(list));
    expect(await controlPlane.l7mp('apply', '--raw', file)).to.include({ code: 0 });
    const { stdout } = await controlPlane.l7mp('get', 'type.example/a.B', '-o', 'raw');
    expect(JSON.parse(stdout)).to.deep.equal(list);
    const one = await controlPlane.l7mp('get', 'type.example/a.B/two', '-o', 'raw');
    expect(JSON.parse(one.stdout)).to.deep.equal([item('two', '/w==')]);
    expect(await controlPlane.l7mp('get', 'cluster/app', '-o', 'raw')).to.deep.equal({
      code: 2,
      stdout: '',
      stderr: 'l7mp: expected raw resources beside -o raw, found Cluster/app: -o yaml shows them\n',
    });
    controlPlane.file('raw.json', JSON.stringify([item('two', '/g==')]));
    const replaced = await controlPlane.l7mp('apply', '--raw', file, '--replace');
    expect(replaced.stdout.split('\n')).to.have.members([
      'type.example/a.B/two updated',
      'type.example/a.B/one deleted',
      '',
    ]);
    controlPlane.file('raw.json', '[{"type_url": "x", "name": "a", "value": "!"}, {"name": "b", "more": 1}]');
    const bad = await controlPlane.l7mp('apply', '--raw', file);
    expect(bad.code).to.equal(3);
    for (const path of ['[0].type_url', '[0].value', '[1].type_url', '[1].value', '[1].more']) {
      expect(bad.stderr).to.contain(`raw.json:1: ${path}: expected `);
    }
  });

  it('get shows them as tables, YAML that can be applied again, and JSON', async () => {
    await controlPlane.l7mp('apply', '-f', web);
    const table = await controlPlane.l7mp('get', 'listeners');
    expect(table.stdout).to.match(
      /^OBJECT +STATUS +PROXIES +FOR +AGE\nListener\/web +Accepted +0 of 0 +site=north +\d+s\n$/u,
    );
    const wide = await controlPlane.l7mp('get', 'LISTENER', 'web', '-o', 'wide');
    expect(wide.stdout).to.match(/SOURCE +REVISION +VERSION +ROLLOUT +LABELS\n.* api +\d+ +[0-9a-f]+ +team=a\n$/u);
    const raw = controlPlane.file('raw.json', '[{"type_url": "type.example/a.B", "name": "r", "value": "AAE="}]');
    await controlPlane.l7mp('apply', '--raw', raw);
    const yaml = await controlPlane.l7mp('get', '-o', 'yaml');
    expect(yaml.stdout).to.contain('value: AAE=');
    await controlPlane.l7mp('delete', 'type.example/a.B', 'r');
    await controlPlane.l7mpReading(yaml.stdout, 'apply', '-f', '-');
    expect(await names()).to.include('type.example/a.B/r');
    const again = await controlPlane.l7mpReading(yaml.stdout, 'diff', '-f', '-');
    expect(again).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    const json = await controlPlane.l7mp('get', 'cl/app', '--json');
    expect(JSON.parse(json.stdout)).to.deep.include({ key: { kind: 'Cluster', name: 'app' }, source: 'api' });
  });

  it('get selects by labels and names, and says what it does not know', async () => {
    await controlPlane.l7mp('apply', '-f', web);
    expect((await controlPlane.l7mp('get', '-l', 'team=a')).stdout).to.match(/\nListener\/web .*\n$/u);
    expect(await controlPlane.l7mp('get', '-l', 'team=b')).to.include({ code: 0, stderr: 'nothing found\n' });
    const missing = await controlPlane.l7mp('get', 'listener/nope');
    expect(missing).to.deep.equal({
      code: 4,
      stdout: '',
      stderr: 'l7mp: expected an object, found no Listener/nope\n',
    });
    const unknown = await controlPlane.l7mp('get', 'lisener');
    expect(unknown.stderr).to.contain('(perhaps Listener), found "lisener"');
    expect(unknown.code).to.equal(2);
    expect((await controlPlane.l7mp('get', '-l', 'team')).stderr).to.contain('expected labels with their values');
  });

  it('get shows every page of many', async () => {
    const items = Array.from({ length: 1200 }, (_, index) => ({ name: `c-${index}`, spec: { protocol: 'Echo' } }));
    await controlPlane.l7mp('apply', '-f', controlPlane.file('many.json', JSON.stringify({ clusters: items })));
    expect(await names()).to.have.length(1200);
  });

  it('get --watch shows changes as they come', async () => {
    const watch = new LoggingProcess(['get', 'clusters', '--watch', '--server', controlPlane.address]);
    try {
      await watch.peer.output(/^EVENT +OBJECT +STATUS/mu);
      await controlPlane.l7mp('apply', '-f', web);
      await watch.peer.output(/^put +Cluster\/app +Accepted/mu);
      await controlPlane.l7mp('delete', 'cluster', 'app');
      await watch.peer.output(/^delete +Cluster\/app$/mu);
      watch.peer.signal('SIGINT');
      expect(await watch.peer.exit).to.equal(0);
      expect(watch.peer.stdout).to.not.contain('Listener');
    } finally {
      await watch.stop();
    }
  });

  it('get --watch prints nothing before it fails', async () => {
    const failed = await controlPlane.l7mp('get', '--watch', '--server', '127.0.0.1:1');
    expect([failed.code, failed.stdout]).to.deep.equal([4, '']);
  });

  it('delete takes them out, by name or by file: all, or none', async () => {
    await controlPlane.l7mp('apply', '-f', web);
    const missing = await controlPlane.l7mp('delete', 'cluster', 'app', 'nope');
    expect(missing.stderr).to.contain('Cluster/nope');
    expect(missing.code).to.equal(4);
    expect(await names()).to.have.length(2);
    expect(await controlPlane.l7mp('delete', 'cluster', 'app', 'nope', '--ignore-missing')).to.include({ code: 0 });
    expect((await controlPlane.l7mp('delete', '-f', web, '--ignore-missing', '--dry-run')).stdout).to.equal(
      'Listener/web deleted (dry run)\n',
    );
    expect((await controlPlane.l7mp('delete', '-f', web, '--ignore-missing')).stdout).to.equal(
      'Listener/web deleted\n',
    );
    expect(await names()).to.deep.equal([]);
    expect(await controlPlane.l7mp('delete')).to.include({ code: 2 });
  });

  it('takes objects of a folder, which those that are applied come before', async () => {
    const folder = join(controlPlane.directory, 'folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'f.yaml'), WEB);
    await controlPlane.restart('--folder', folder);
    expect(await names()).to.deep.equal(['Cluster/app', 'Listener/web']);
    writeFileSync(join(folder, 'f.yaml'), WEB.replace('name: app', 'name: app2'));
    controlPlane.process.peer.signal('SIGHUP');
    await until('the change of the file', async () => (await names()).includes('Cluster/app2'));
    await controlPlane.l7mp('apply', '-f', web);
    const { stdout } = await controlPlane.l7mp('get', 'listener', '-o', 'wide');
    expect(stdout).to.match(/^Listener\/web +Accepted .* api /mu);
    expect(stdout).to.match(/^Listener\/web +Shadowed .* file:f\.yaml /mu);
    expect(readFileSync(join(folder, 'f.yaml'), 'utf8')).to.contain('app2');
    const kept = await controlPlane.l7mp('delete', 'cluster', 'app2');
    expect(kept.code).to.equal(4);
    expect(kept.stderr).to.contain('found no Cluster/app2 (it is of file:f.yaml, and goes with its entry there)');
    writeFileSync(join(folder, 'g.yaml'), 'clusters: [\n');
    const told = await until('the bad file', async () => {
      const { stdout: shown } = await controlPlane.l7mp('status');
      return /^g\.yaml:\d+: expected .*/mu.exec(shown)?.[0];
    });
    expect(told).to.contain('found');
    writeFileSync(join(folder, 'g.yaml'), '{}');
    await until('the good file', async () => !(await controlPlane.l7mp('status')).stdout.includes('g.yaml'));
  });
});
