import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { emptySnapshot } from '../../../../config/decode.ts';
import { XdsClient } from '../../../../dataplane/xds/client.ts';
import { recordingLogger } from '../../../support/cluster.ts';
import { MemorySink } from '../../../support/admin.ts';
import { RawControlPlane } from '../../../support/raw-control-plane.ts';
import { until } from '../../../support/until.ts';
import { codec, echo } from './fakes.ts';

const KINDS = ['Secret', 'Listener', 'RuleList', 'Rule', 'Route'];

describe('the xDS client', () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-xds-'));
  const saved = (): string => {
    try {
      return readFileSync(join(directory, 'controlplane.json'), 'utf8');
    } catch {
      return '';
    }
  };
  let plane: RawControlPlane;
  let client: XdsClient;
  let sink: MemorySink;
  let log: ReturnType<typeof recordingLogger>;
  beforeEach(async () => {
    log = recordingLogger();
    plane = await RawControlPlane.start();
    sink = new MemorySink(emptySnapshot());
    client = new XdsClient(
      {
        ...{ servers: [plane.address], id: 'n', labels: {}, resources: 'all', plaintext: true, stateDir: directory },
        timing: { save: 60_000, lastSave: 200, coalesce: 1 },
      },
      { sink, codec, servingOf: () => ({ state: 'serving' }), watch: () => () => undefined, log },
    );
    await client.start();
  });
  afterEach(async () => {
    await client.close();
    plane.stop();
  });
  after(() => rmSync(directory, { recursive: true }));

  it('keeps on disk what is live, and not what can not be made live', async () => {
    const stream = await plane.stream();
    for (const kind of KINDS) await stream.answerTo(kind, stream.delta(kind, {}));
    await stream.answerTo('Cluster', stream.delta('Cluster', { good: ['1', echo('good')] }));
    await until('good', () => sink.snapshot.clusters.has('good'));
    sink.failure = new Error('not now');
    await stream.answerTo('Cluster', stream.delta('Cluster', { worse: ['1', echo('worse')] }));
    await client.close(); // what is to be saved is written now
    expect(saved()).to.include('"good"').and.not.to.include('"worse"');
  });

  it('ends without what can not be saved, and says so', async () => {
    const stream = await plane.stream();
    for (const kind of KINDS) await stream.answerTo(kind, stream.delta(kind, {}));
    await stream.answerTo('Cluster', stream.delta('Cluster', { kept: ['1', echo('kept')] }));
    await until('kept', () => sink.snapshot.clusters.has('kept'));
    // Whoever opens a named pipe that nobody reads waits for ever.
    const draft = join(directory, 'controlplane.json.new');
    execFileSync('mkfifo', [draft]);
    await client.close();
    expect(log.lines).to.include('error: the last good configuration is not saved: its file system does not answer');
    createReadStream(draft).destroy();
  });
});
