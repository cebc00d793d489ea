import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptySnapshot } from '../../../dataplane/config/decode.ts';
import { FileSource } from '../../../dataplane/config/file-source.ts';
import { recordingLogger } from '../../support/cluster.ts';
import { until } from '../../support/pipeline.ts';

describe('the static file', () => {
  let directory: string;
  let source: FileSource;
  let file: string;
  let loaded: string[];
  let applied: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    file = join(directory, 'l7mp.yaml');
    loaded = [];
    applied = 0;
    writeFileSync(file, 'one');
    source = new FileSource(file, () => {
      loaded.push(readFileSync(file, 'utf8'));
      return Promise.resolve(emptySnapshot());
    });
  });
  afterEach(() => {
    source.close();
    rmSync(directory, { recursive: true });
  });

  const follow = (): void => {
    const apply = (): Promise<void> => {
      applied++;
      return Promise.resolve();
    };
    source.follow({ apply, log: recordingLogger() }, true);
  };

  it('is loaded again where it has changed while the proxy started', async () => {
    await source.first();
    writeFileSync(file, 'two');
    follow();
    await until(() => applied === 1, 'the change');
    expect(loaded).to.deep.equal(['one', 'two']);
  });

  it('is loaded again when its content has changed, not when it was only written', async () => {
    await source.first();
    follow();
    writeFileSync(file, 'one');
    await source.reload();
    writeFileSync(file, 'two');
    await until(() => applied === 2, 'the change');
    expect(loaded).to.deep.equal(['one', 'one', 'two']);
  });
});
