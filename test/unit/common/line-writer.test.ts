import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { LineWriter } from '../../../common/line-writer.ts';
import { until } from '../../support/until.ts';

describe('LineWriter', () => {
  let directory: string;
  let file: string;
  const troubles: string[] = [];
  const writers: LineWriter[] = [];
  const open = (target = file): LineWriter => {
    const writer = new LineWriter(target, (message) => troubles.push(message));
    writers.push(writer);
    return writer;
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lines-'));
    file = join(directory, 'log');
  });
  afterEach(async () => {
    await Promise.all(writers.splice(0).map((writer) => writer.close()));
    troubles.length = 0;
    rmSync(directory, { recursive: true });
  });

  it('appends lines, in order, and has written all of them when it is closed', async () => {
    for (const text of ['first', 'second']) {
      const writer = open();
      for (let index = 0; index < 1000; index++) writer.write(`${text} ${index}`);
      await writer.close();
    }
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).to.have.length(2000);
    expect([lines[0], lines[999], lines[1000], lines[1999]]).to.deep.equal([
      'first 0',
      'first 999',
      'second 0',
      'second 999',
    ]);
    expect(troubles).to.deep.equal([]);
  });

  it('writes to the new file of the name once it is told to reopen', async () => {
    const writer = open();
    writer.write('before');
    await until('the first line', () => readIfThere(file) === 'before\n');
    renameSync(file, `${file}.1`);
    writer.write('still the old one');
    writer.reopen();
    writer.write('after');
    await writer.close();
    await until('the old file', () => readIfThere(`${file}.1`) === 'before\nstill the old one\n');
    expect(readFileSync(file, 'utf8')).to.equal('after\n');
  });

  it('loses lines on a full disk, says so once, and says when it works again, and how many', async () => {
    symlinkSync('/dev/full', file);
    const writer = open();
    for (let index = 0; index < 3; index++) {
      writer.write(`lost ${index}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(troubles).to.have.length(1);
    expect(troubles[0]).to.include('ENOSPC').and.to.include(file);
    rmSync(file);
    writer.reopen();
    writer.write('works');
    await until('the second message', () => troubles.length > 1);
    expect(troubles[1]).to.equal(`writing to ${file} works again; 3 lines were lost`);
    expect(readFileSync(file, 'utf8').trim()).to.equal('works');
  });

  it('tries again by itself', async () => {
    const missing = join(directory, 'not', 'yet', 'log');
    const writer = open(missing);
    writer.write('lost');
    await until('the message', () => troubles.length > 0);
    expect(troubles[0]).to.include('ENOENT');
    mkdirSync(join(directory, 'not', 'yet'), { recursive: true });
    await until('the file', () => {
      writer.write('again');
      return readIfThere(missing) !== undefined;
    });
    await until('the second message', () => troubles.length > 1);
    expect(troubles[1]).to.include('works again');
  });

  it('drops lines in front of a reader that reads nothing, in bounded memory, and goes on', async () => {
    const child = runScript(
      `
      for (let round = 0; round < 40; round++) {
        for (let line = 0; line < 1000; line++) writer.write('x'.repeat(1000));
        await new Promise((resolve) => setImmediate(resolve));
      }
      process.send({ troubles, pending: process.stdout.writableLength });
      await writer.close();
      process.send({ unwritten: process.stdout.writableLength });
      process.exit(0);`,
      'pipe',
    );
    const [{ troubles: told, pending }] = (await once(child, 'message')) as [{ troubles: string[]; pending: number }];
    expect(told).to.have.length(1);
    expect(told[0]).to.include('too slow');
    expect(pending).to.be.lessThan(4.1 * 1024 * 1024);
    const [{ unwritten }] = (await once(child, 'message')) as [{ unwritten: number }];
    expect(unwritten, 'what it waits for no longer').to.be.above(0);
    await exited(child);
  });

  it('survives a reader that goes away', async () => {
    const child = runScript(
      `
      writer.write('one');
      await new Promise((resolve) => process.once('message', resolve));
      for (let line = 0; line < 100; line++) {
        writer.write('gone');
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await writer.close();
      process.send({ troubles });
      process.exit(0);`,
      'pipe',
    );
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    child.send('go');
    const [{ troubles: told }] = (await once(child, 'message')) as [{ troubles: string[] }];
    expect(told).to.have.length(1);
    expect(told[0]).to.include('EPIPE');
    await exited(child);
  });

  it('survives a redirection to a file that cannot grow, and goes on when it can', async () => {
    const redirected = openSync(file, 'a');
    try {
      const child = runScript(
        `
        process.on('SIGXFSZ', () => undefined); // what the system says before EFBIG
        process.send('started');
        await new Promise((resolve) => process.once('message', resolve));
        while (troubles.length < 2) {
          writer.write('x'.repeat(100));
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (troubles.length === 1) process.send('full');
        }
        process.send({ troubles });
        process.exit(0);`,
        redirected,
      );
      await once(child, 'message');
      execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=4096:']);
      child.send('go');
      await once(child, 'message');
      truncateSync(file);
      const told = await new Promise<string[]>((resolve) => {
        child.on('message', (message) => {
          if (message !== 'full') resolve((message as { troubles: string[] }).troubles);
        });
      });
      expect(told[0]).to.include('EFBIG');
      expect(told[1]).to.match(/^writing to stdout works again; \d+ lines were lost$/u);
      await exited(child);
    } finally {
      closeSync(redirected);
    }
  });

  it('does not wait for the file that stdout is redirected to', async () => {
    const redirected = openSync(file, 'a');
    try {
      const child = runScript(
        `
        const { fstatSync } = await import('node:fs');
        writer.write('later');
        const size = fstatSync(1).size;
        await writer.close();
        process.send({ size, after: fstatSync(1).size });
        process.exit(0);`,
        redirected,
      );
      const [sizes] = (await once(child, 'message')) as [object];
      expect(sizes).to.deep.equal({ size: 0, after: 'later\n'.length });
      await exited(child);
    } finally {
      closeSync(redirected);
    }
  });

  function runScript(body: string, stdout: 'pipe' | number) {
    const script = `
      import { LineWriter } from '${join(process.cwd(), 'common/line-writer.ts')}';
      const troubles = [];
      const writer = new LineWriter('stdout', (message) => troubles.push(message));
      ${body}`;
    return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      stdio: ['ignore', stdout, 'inherit', 'ipc'],
    });
  }

  async function exited(child: ReturnType<typeof spawn>): Promise<void> {
    if (child.exitCode === null) await once(child, 'exit');
    child.stdout?.destroy();
    expect(child.exitCode).to.equal(0);
  }
});

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
