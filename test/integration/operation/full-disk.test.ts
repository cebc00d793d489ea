import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

describe(`a full disk under the logs, with ${versionOf('socat', '-V')}`, () => {
  let disk: string;
  let proxy: ProxyProcess | undefined;
  let client: Peer | undefined;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'l7mp-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
  });
  afterEach(async () => {
    await client?.stop();
    await proxy?.stop();
    client = proxy = undefined;
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  /** Takes what room there is. */
  const fill = (): void => {
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_000_000));
    } catch {
      // It is full.
    }
  };

  /** By the page of metrics. */
  async function lost(of: ProxyProcess): Promise<number> {
    const { text } = await of.get('/metrics');
    return Number(/^l7mp_access_log_lines_lost_total (\d+)$/mu.exec(text)?.[1]);
  }

  it('costs lines, which are told of and counted, and no session', async () => {
    const accessLog = join(disk, 'access.log');
    const admin = { access_log_path: accessLog, access_log_format: '%SESSION% '.padEnd(2000, '.'), api: { port: 0 } };
    proxy = await ProxyProcess.start({
      admin,
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 },
          rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
        },
      ],
    });
    const address = `TCP:127.0.0.1:${proxy.port()}`;
    const session = async (): Promise<string> => (await runCommand('socat', ['-t', '3', '-', address], 'hi')).stdout;
    const { peer } = proxy;
    client = new Peer('socat', ['-', address]);
    client.write('before\n');
    await client.output(/^before$/mu);

    await session();
    await until('the first line', () => existsSync(accessLog) && statSync(accessLog).size > 0);
    fill();
    await until('the news that the disk is full', async () => {
      expect(await session()).to.equal('hi');
      return peer.stderr.includes(`l7mp: access log: writing to ${accessLog}: ENOSPC`);
    });
    client.write('while it is full\n');
    await client.output(/^while it is full$/mu);
    expect(await lost(proxy)).to.be.above(0);
    expect((await proxy.get('/ready')).status).to.equal(200);

    rmSync(join(disk, 'ballast'));
    await until('the news that there is room again', async () => {
      expect(await session()).to.equal('hi');
      return /writing to \S+ works again; \d+ lines were lost/u.test(peer.stderr);
    });
    const [, told] = /(\d+) lines were lost/u.exec(peer.stderr) ?? [];
    expect(await lost(proxy)).to.equal(Number(told));
    const lines = readFileSync(accessLog, 'utf8').trimEnd().split('\n');
    expect(lines.at(-1)).to.match(/^TCP:\S+ \.+$/u);
    // The line that the full disk cut in two is not continued by the next one.
    for (const line of lines) expect(line.match(/TCP:/gu)?.length ?? 0).to.be.at.most(1);
    expect(peer.stderr.match(/lines are lost/gu)).to.have.length(1);
  });

  it('costs lines of the log only', async () => {
    const log = join(disk, 'l7mp.log');
    const config = {
      admin: { log_file: log, log_level: 'debug', api: { port: 0 } },
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'UnixDomainSocket', filename: join(disk, 'in') },
          rules: [{ action: { route: { destination: { spec: { protocol: 'StdioFork', command: 'cat' } } } } }],
        },
      ],
    };
    fill();
    // It can't say that it is ready: it is full.
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    const file = join(directory, 'l7mp.json');
    writeFileSync(file, JSON.stringify(config));
    client = new Peer('bin/l7mp', ['proxy', '-c', file]);
    try {
      await client.output(new RegExp(`l7mp: writing to ${log}: ENOSPC`, 'u'));
      const talk = (): Promise<string> =>
        runCommand('socat', ['-t', '3', '-', `UNIX-CONNECT:${join(disk, 'in')}`], 'hi').then(({ stdout }) => stdout);
      expect(await talk()).to.equal('hi');
      rmSync(join(disk, 'ballast'));
      client.signal('SIGHUP');
      await client.output(/works again; \d+ lines were lost/u);
      expect(readFileSync(log, 'utf8')).to.contain('"msg":"configuration reloaded"');
      expect(await talk()).to.equal('hi');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
