/** A folder of files as a source, changed as editors, kubelets and accidents change it. */
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../controlplane/sources/folder.ts';
import type * as m from '../../../../gen/messages.ts';
import type { SourceHost } from '../../../../controlplane/model/source.ts';
import { APPLY, type FakeProxy, object, recordingLog, type Rig, startRig } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

const cluster = (name: string, port: number, more = ''): string =>
  `  - { name: ${name}, spec: { protocol: UDP, port: ${port} }${more} }\n`;
const file = (...clusters: string[]): string => `clusters:\n${clusters.join('')}`;

describe('a folder of objects', () => {
  let folder: string;
  let rig: Rig;
  let proxy: FakeProxy;
  let folderLog: ReturnType<typeof recordingLog>;

  beforeEach(async () => {
    folderLog = recordingLog();
    folder = await mkdtemp(join(tmpdir(), 'l7mp-folder-'));
  });

  afterEach(async () => {
    await rig.close();
    await rm(folder, { recursive: true });
  });

  const follow = (host: SourceHost): Folder => new Folder(folder, { log: folderLog, host, quiet: 5, interval: 60_000 });

  async function start(files: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    rig = await startRig({ sources: [follow] });
    proxy = rig.proxy('edge-1', { tier: 'edge' });
  }

  const seen = (names: string): Promise<unknown> =>
    until(`${names}, not ${proxy.view.names().join(' ')}`, () => proxy.view.names().join(' ') === names);
  const port = (name: string): string =>
    JSON.stringify(
      proxy.view
        .all()
        .find((each) => each.name === name)
        ?.value.toString('hex'),
    );
  const list = async (): Promise<readonly m.Object[]> =>
    (await rig.call<m.ListResponse>('List', { kinds: [], labels: {}, page_size: 0, page_token: '' })).objects;

  for (const [place, text] of [
    ['in place of all secrets', 'secrets: |\n  KEY'],
    ['in place of a secret', 'secrets: ["KEY"]'],
    ['without its header', 'secrets: [{ name: s, labels: "MII" }]'],
    ['as the labels of a secret', 'secrets: [{ name: s, labels: { key: ["KEY"] } }]'],
    ['in place of a listener', 'listeners: ["KEY"]'],
    ['in place of everything', '"KEY"'],
    [
      'without indentation',
      'secrets:\n- name: s\n  key: |\n-----BEGIN PRIVATE KEY-----\nMII\nMIJ\n-----END PRIVATE KEY-----',
    ],
    ['in a secret, as something else', 'secrets: [{ name: s, key: ["KEY"], pem: "KEY", cert: { a: "KEY" } }]'],
  ] as const) {
    it(`shows no key that stands ${place}`, async () => {
      await start({ 'a.yaml': file(cluster('c', 1)) });
      const key = '-----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY-----';
      await writeFile(join(folder, 'a.yaml'), text.replaceAll('KEY', key));
      await rig.configuration.reload();
      const shown = JSON.stringify([folderLog.lines, rig.log.lines, await list()]);
      expect(shown).to.contain('expected').and.not.contain('MII');
    });
  }

  it('is there when the control plane has started, with the selectors of files and of objects', async () => {
    const text = `selector: { matchLabels: { tier: core } }\nlabels: { team: x }\n${file(
      cluster('core', 1),
      cluster('edge', 1, ', selector: { matchIds: [edge-1] }, labels: { of: edge }'),
    )}`;
    await start({
      'a.yaml': text,
      'b.json': JSON.stringify({ clusters: [{ name: 'all', spec: 'echo' }] }),
      '.c.yaml': 'x',
      'd.txt': 'x',
    });
    expect(proxy.view.names()).to.deep.equal(['Cluster/all', 'Cluster/edge']);
    const objects = await list();
    expect(objects.map(({ key, source, labels, revision }) => [key?.name, source, labels, revision])).to.deep.equal([
      ['all', 'file:b.json', {}, 0],
      ['core', 'file:a.yaml', { team: 'x' }, 0],
      ['edge', 'file:a.yaml', { team: 'x', of: 'edge' }, 0],
    ]);
  });

  it('follows files that are written, renamed into place and deleted', async () => {
    await start({ 'a.yaml': file(cluster('a', 1)) });
    await writeFile(join(folder, '.b.yaml.swp'), file(cluster('b', 1)));
    await rename(join(folder, '.b.yaml.swp'), join(folder, 'b.yaml'));
    await seen('Cluster/a Cluster/b');
    const before = port('a');
    await writeFile(join(folder, 'a.yaml'), file(cluster('a', 2), cluster('c', 1)));
    await seen('Cluster/a Cluster/b Cluster/c');
    expect(port('a')).to.not.equal(before);
    await unlink(join(folder, 'a.yaml'));
    await seen('Cluster/b');
  });

  it('follows the swap of links that Kubernetes makes', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'a.yaml'), text);
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await version('..1', file(cluster('one', 1)));
    await symlink('..data/a.yaml', join(folder, 'a.yaml'));
    await start();
    await seen('Cluster/one');
    await version('..2', file(cluster('two', 1)));
    await seen('Cluster/two');
  });

  it('leaves the objects of a bad file as they were, and no others', async () => {
    await start({ 'a.yaml': file(cluster('a', 1)), 'b.yaml': file(cluster('b', 1)) });
    const before = port('a');
    await writeFile(join(folder, 'a.yaml'), 'clusters:\n  - { name: a, spec');
    await writeFile(join(folder, 'b.yaml'), file(cluster('b', 2), cluster('c', 1)));
    await seen('Cluster/a Cluster/b Cluster/c');
    await until('the complaint', () => folderLog.lines.some(({ message }) => message.includes('the file is bad')));
    expect(port('a')).to.equal(before);
    const [a] = await list();
    expect(a?.status?.accepted).to.equal(false);
    expect(a?.status?.faults[0]?.path).to.match(/^a\.yaml:\d/u);
    await writeFile(join(folder, 'a.yaml'), file(cluster('a', 2)));
    await until('the good file', () => port('a') !== before);
    expect((await list())[0]?.status?.accepted).to.equal(true);
  });

  it('takes an empty file for one that is about to be written', async () => {
    await start({ 'a.yaml': file(cluster('a', 1)) });
    await writeFile(join(folder, 'a.yaml'), '');
    await until('the complaint', () => folderLog.lines.some(({ message }) => message.includes('the file is bad')));
    expect(proxy.view.names()).to.deep.equal(['Cluster/a']);
    await writeFile(join(folder, 'a.yaml'), '{}');
    await seen('');
  });

  it('tries a file again that could not be taken, and goes on with others', async () => {
    await start({ 'a.yaml': file(cluster('a', 1)), 'z.yaml': file(cluster('z', 1)) });
    const taken: string[] = [];
    let isFailing = true;
    const log = recordingLog();
    const source = new Folder(folder, {
      log,
      quiet: 5,
      interval: 60_000,
      host: {
        // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
        put: async (change) => {
          for (const [name, objects] of change) {
            if (isFailing && name === 'file:a.yaml') throw new RangeError('too deep');
            taken.push(`${name}: ${objects.map(({ key }) => key.name).join()}`);
          }
        },
      },
    });
    try {
      await source.start();
      await source.reload();
      expect(taken.splice(0)).to.deep.equal(['file:z.yaml: z']);
      expect(log.lines.map(({ fields }) => fields)).to.deep.equal([{ file: 'a.yaml', error: 'RangeError: too deep' }]);
      isFailing = false;
      await source.reload();
      expect(taken.splice(0)).to.deep.equal(['file:a.yaml: a']);
      isFailing = true;
      await unlink(join(folder, 'a.yaml'));
      await source.reload();
      expect(taken).to.deep.equal([]);
      isFailing = false;
      await source.reload();
      expect(taken).to.deep.equal(['file:a.yaml: ']);
    } finally {
      await source.close();
    }
  });

  it('sets a bad object aside, not its file', async () => {
    await start({ 'a.yaml': file(cluster('a', 1), cluster('b', 1)) });
    await writeFile(join(folder, 'a.yaml'), file(cluster('a', 70_000), cluster('b', 1), cluster('c', 1)));
    await seen('Cluster/a Cluster/b Cluster/c');
    expect((await list()).map(({ status }) => status?.accepted)).to.deep.equal([false, true, true]);
  });

  it('stands back where the API has an object, and comes forward when that is deleted', async () => {
    await start({ 'a.yaml': file(cluster('a', 1)), 'b.yaml': file(cluster('a', 2)) });
    const ofFile = port('a');
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'a', { spec: { protocol: 'UDP', port: 3 } })] });
    await until("the API's object", () => port('a') !== ofFile);
    expect((await list()).map(({ source, status }) => [source, status?.shadowed_by])).to.deep.equal([
      ['api', ''],
      ['file:a.yaml', 'api'],
      ['file:b.yaml', 'api'],
    ]);
    await rig.call('Delete', {
      keys: [{ kind: 'Cluster', name: 'a' }],
      dry_run: false,
      message: '',
      ignore_missing: false,
    });
    await until("the file's object", () => port('a') === ofFile);
    expect((await list()).map(({ source, status }) => [source, status?.shadowed_by])).to.deep.equal([
      ['file:a.yaml', ''],
      ['file:b.yaml', 'file:a.yaml'],
    ]);
  });

  it('says all that is wrong with a file, with lines', async () => {
    const text = [
      'selector: { labels: {} }',
      'clusters:',
      '  - spec: { protocol: UDP }',
      '  - { name: a, selector: { matchExpressions: [{ key: x, operator: In }] } }',
      '  - { name: a, labels: { n: 1 } }',
      'listener: []',
    ];
    await start({ 'a.yaml': text.join('\n') });
    const complaint = folderLog.lines.find(({ message }) => message.includes('the file is bad'));
    expect(complaint?.message).to.contain('no good one of that name was seen');
    const faults = complaint?.fields['faults'] as string[];
    expect(faults.map((fault) => /^(\S+): expected .*\(line (\d)\)$/u.exec(fault)?.slice(1))).to.deep.equal([
      ['selector.labels', '1'],
      ['clusters[0].name', '3'],
      ['clusters[1].selector.matchExpressions[0].values', '4'],
      ['clusters[1].spec', '4'],
      ['clusters[2].name', '5'],
      ['clusters[2].labels.n', '5'],
      ['clusters[2].spec', '5'],
      ['listener', '6'],
    ]);
  });
});
