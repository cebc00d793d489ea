import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../../../../common/log.ts';
import { emptySnapshot } from '../../../../config/decode.ts';
import { XdsClient } from '../../../../dataplane/xds/client.ts';
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
  beforeEach(async () => {
    plane = await RawControlPlane.start();
    sink = new MemorySink(emptySnapshot());
    client = new XdsClient(
      {
        ...{ servers: [plane.address], id: 'n', labels: {}, resources: 'all', plaintext: true, stateDir: directory },
        timing: { save: 60_000, coalesce: 1 },
      },
      { sink, codec, servingOf: () => ({ state: 'serving' }), watch: () => () => undefined, log: silentLogger },
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
});
