import { expect } from 'chai';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileSource } from '../../../config/file-source.ts';
import { loadText } from '../../../config/load.ts';
import type { ConfigSnapshot } from '../../../config/snapshot.ts';
import { ProxyError } from '../../../common/errors.ts';
import { recordingLogger } from '../../support/cluster.ts';
import { until } from '../../support/until.ts';

const withCluster = (name: string): string => `clusters: [{name: ${name}, spec: echo}]\n`;

describe('A configuration file', () => {
  let directory: string;
  let file: string;
  let source: FileSource | undefined;
  let log: ReturnType<typeof recordingLogger>;
  /** The clusters of each configuration that was made live. */
  let applied: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'l7mp-'));
    file = join(directory, 'l7mp.yaml');
    log = recordingLogger();
    applied = [];
    await writeFile(file, withCluster('first'));
  });

  afterEach(async () => {
    source?.close();
    await rm(directory, { recursive: true });
  });

  /** A source whose file was loaded, and is followed. */
  async function follow(apply = (): Promise<void> => Promise.resolve(), watching = true): Promise<FileSource> {
    source = new FileSource(file, loadText);
    await source.load();
    const live = async (snapshot: ConfigSnapshot): Promise<void> => {
      await apply();
      applied.push([...snapshot.clusters.keys()].join());
    };
    source.follow({ apply: live, log }, watching);
    return source;
  }

  const refusals = (): unknown[] => log.fields.map(({ faults }) => faults);

  it('is read again when it changes', async () => {
    await follow();
    await writeFile(file, withCluster('second'));
    await until('a configuration', () => applied.length > 0);
    expect(applied.at(-1)).to.equal('second');
  });

  it('is read again where it is a link, and what that leads to changes', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'l7mp-'));
    try {
      const real = join(elsewhere, 'real.yaml');
      await writeFile(real, withCluster('first'));
      await rm(file);
      await symlink(real, file);
      await follow();
      // The first look at the file after it was loaded may come late enough to see the first change, but no other.
      for (const name of ['second', 'third']) {
        await writeFile(real, withCluster(name));
        await until('a configuration', () => applied.at(-1) === name);
      }
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('is refused when it became empty; {} says that nothing is wanted', async () => {
    await follow(undefined, false);
    for (const empty of ['', ' \n\t\n', '# later\n---\n  # still later']) {
      await writeFile(file, empty);
      await source?.reload();
    }
    expect(applied).to.deep.equal([]);
    const refusal = ['configuration: expected a configuration, or {} for none, found an empty file'];
    expect(refusals()).to.deep.equal([refusal, refusal, refusal]);
    await writeFile(file, '# nothing\n{}\n');
    await source?.reload();
    expect(applied).to.deep.equal(['']);
  });

  it('is read again where it changed after it was loaded, before it was followed', async () => {
    source = new FileSource(file, loadText);
    await source.load();
    await writeFile(file, withCluster('second'));
    source.follow({ apply: (snapshot) => Promise.resolve(void applied.push(...snapshot.clusters.keys())), log }, true);
    await until('a configuration', () => applied.length > 0);
    expect(applied).to.deep.equal(['second']);
  });

  it('is not decoded again where something else in its directory changed', async () => {
    let decoded = 0;
    const other = join(directory, 'other.yaml');
    await writeFile(other, withCluster('other'));
    const counted = new FileSource(file, (text) => {
      decoded++;
      return loadText(text);
    });
    source = counted;
    await counted.load();
    counted.follow({ apply: () => Promise.resolve(), log }, true);
    // Another source, which sees what the first one sees, after it.
    const second = new FileSource(other, loadText);
    try {
      await second.load();
      second.follow(
        { apply: (snapshot) => Promise.resolve(void applied.push(...snapshot.clusters.keys())), log },
        true,
      );
      await writeFile(other, withCluster('changed'));
      await until('a configuration', () => applied.length > 0);
    } finally {
      second.close();
    }
    await counted.reload(); // behind whatever the first one began
    expect(decoded).to.equal(2);
  });

  it('is read again when another takes its place, as editors do', async () => {
    await follow();
    const next = join(directory, '.l7mp.yaml.new');
    await writeFile(next, withCluster('second'));
    await rename(next, file);
    await until('the configuration second', () => applied.at(-1) === 'second');
  });

  it('is read again when a link leads elsewhere, as Kubernetes does', async () => {
    const [one, two] = [join(directory, 'one'), join(directory, 'two')];
    await writeFile(one, withCluster('first'));
    await writeFile(two, withCluster('second'));
    await rm(file);
    await symlink(one, file);
    await follow();
    await symlink(two, `${file}.new`);
    await rename(`${file}.new`, file);
    await until('the configuration second', () => applied.at(-1) === 'second');
  });

  it('is refused with all its faults and their lines where it is bad, and taken when it is good again', async () => {
    await follow();
    await writeFile(file, 'clusters:\n- {name: c, spec: ecko}\n- {name: d}\n');
    await until('a line of the log', () => log.lines.length > 0);
    expect(log.lines).to.deep.equal(['error: the configuration was refused; the running one stays']);
    const [faults] = refusals() as string[][];
    expect(faults).to.have.length(2);
    expect(faults?.[0]).to.match(/^clusters\[0\]\.spec: .*\(line 2\)$/u);
    expect(faults?.[1]).to.match(/^clusters\[1\]\.spec: .*\(line 3\)$/u);
    expect(applied).to.deep.equal([]);
    const { refusal } = source!;
    expect(source).to.include({ succeeded: 0, failed: 1 });
    expect(refusal).to.include({ file }).and.to.have.property('faults').that.deep.equals(faults);
    await writeFile(file, withCluster('good'));
    await until('the configuration good', () => applied.at(-1) === 'good');
    await until('its count', () => source?.succeeded === 1);
    expect(source).to.include({ failed: 1, refusal: undefined });
  });

  it('is refused where what it says cannot be made live', async () => {
    const reading = await follow(() => Promise.reject(new ProxyError('ADDRESS_IN_USE', 'port 80 is taken')), false);
    await reading.reload();
    expect(refusals()).to.deep.equal([['port 80 is taken']]);
  });

  it('is missed where it is gone, and the reason says which', async () => {
    const reading = await follow(undefined, false);
    await rm(file);
    await reading.reload();
    expect(refusals())
      .to.have.nested.property('[0][0]')
      .that.matches(/.*l7mp\.yaml: expected a file that can be read, found ENOENT/u);
  });

  it('is not at fault, and asked for again, where there is no descriptor to read it by', async () => {
    let short = true;
    const reading = await follow(() => {
      return short ? Promise.reject(new ProxyError('NO_DESCRIPTORS', 'EMFILE')) : Promise.resolve();
    }, false);
    await reading.reload();
    expect(log.lines).to.deep.equal([
      'warn: the configuration can not be read for want of descriptors; it is tried again',
    ]);
    short = false;
    await until('the configuration first', () => applied.at(-1) === 'first');
  });

  it('is read by one after the other, in order', async () => {
    let running = 0;
    let most = 0;
    const reading = await follow(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    }, false);
    await Promise.all([reading.reload(), reading.reload(), reading.reload()]);
    expect(applied).to.deep.equal(['first', 'first', 'first']);
    expect(most).to.equal(1);
  });
});
