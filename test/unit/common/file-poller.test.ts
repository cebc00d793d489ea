import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FilePoller } from '../../../common/file-poller.ts';
import { until } from '../../support/until.ts';

describe('Files that are looked at', () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-poller-'));
  const file = join(directory, 'file');
  let poller: FilePoller;
  let changes: number;
  beforeEach(() => {
    writeFileSync(file, 'one');
    changes = 0;
    poller = new FilePoller([file], () => changes++);
  });
  afterEach(() => poller.close());
  after(() => rmSync(directory, { recursive: true }));

  it('are told of where they changed before the first look', async () => {
    writeFileSync(file, 'other');
    poller.start();
    await until('the change', () => changes === 1);
  });

  it('are told of once for each change: written, gone, there again, a link to another', async () => {
    poller.start();
    const steps = [
      () => writeFileSync(file, 'two!'),
      () => rmSync(file),
      () => writeFileSync(file, 'three'),
      () => {
        writeFileSync(join(directory, 'target'), 'four');
        symlinkSync(join(directory, 'target'), join(directory, 'link'));
        renameSync(join(directory, 'link'), file);
      },
    ];
    for (const [index, step] of steps.entries()) {
      step();
      await until(`change ${index + 1}`, () => changes > index);
      expect(changes).to.equal(index + 1);
    }
  });

  it('are as good as gone where they cannot be looked at, as a link to itself, and told of when they can', async () => {
    const circle = join(directory, 'circle');
    symlinkSync(circle, circle);
    const other = new FilePoller([circle], () => changes++);
    try {
      other.start();
      rmSync(circle);
      writeFileSync(circle, 'one');
      await until('the change', () => changes === 1);
    } finally {
      other.close();
    }
  });
});
