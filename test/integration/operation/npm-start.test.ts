import { expect } from 'chai';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

/** Processes whose command line has this text. */
async function running(text: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/u.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(text)) found.push(Number(pid));
  }
  return found;
}

describe(`npm start, with npm ${versionOf('npm', '--version')}`, () => {
  let directory: string;
  let npm: Peer;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'copy', type: 'module', scripts }));
    mkdirSync(join(directory, 'scripts'));
    copyFileSync('scripts/start.sh', join(directory, 'scripts/start.sh'));
    // Everything is set up.
    writeFileSync(join(directory, 'scripts/setup.sh'), '#!/bin/sh\n', { mode: 0o755 });
    cpSync('bin', join(directory, 'bin'), { recursive: true });
    for (const name of ['dist', 'node_modules']) symlinkSync(resolve(name), join(directory, name));
  });
  afterEach(async () => {
    for (const pid of await running(directory)) process.kill(pid, 'SIGKILL');
    await npm.stop();
    rmSync(directory, { recursive: true });
  });

  it('ends the proxy with itself at SIGTERM', async () => {
    const config = join(directory, 'l7mp.json');
    writeFileSync(config, JSON.stringify({ admin: { api: { port: 0 } } }));
    npm = new Peer('npm', ['--prefix', directory, 'start', '--', '--config', config]);
    await npm.output(/"msg":"ready"/u);
    expect(await running(config)).to.have.length.above(1);
    process.kill(npm.pid, 'SIGTERM');
    await until('the proxy to end', async () => (await running(config)).length === 0);
    expect(npm.stderr).to.contain('"msg":"draining"');
  });
});
