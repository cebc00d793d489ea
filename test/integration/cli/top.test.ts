/** `l7mp top` on a real terminal: tmux shows what its users see. */
import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { L7MP, l7mp, ProxyProcess } from '../../support/command.ts';
import { versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const local = { address: '127.0.0.1', port: 0 };

/** A terminal of its own, whose server goes with it. */
class Terminal {
  private readonly name: string;

  constructor(columns: number, rows: number, command: string) {
    this.name = `l7mp-${process.pid}-${Math.random().toString(36).slice(2)}`;
    // What it has ended with stays to be seen.
    this.tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      String(rows),
      `${command}; echo "ended: $?"; read -r _`,
    );
  }

  private tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.name, ...args], { encoding: 'utf8' });
  }

  get text(): string {
    return this.tmux('capture-pane', '-p');
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  press(...keys: string[]): void {
    this.tmux('send-keys', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  async shows(pattern: RegExp): Promise<string> {
    let { text } = this;
    try {
      await until(String(pattern), () => pattern.test((text = this.text)));
    } catch (error) {
      throw new Error(`the terminal shows:\n${text}`, { cause: error });
    }
    return text;
  }

  close(): void {
    spawnSync('tmux', ['-L', this.name, 'kill-server']);
  }
}

describe(`l7mp top, in ${versionOf('tmux', '-V')}`, () => {
  let proxy: ProxyProcess;
  let backend: Server;
  let sockets: Socket[];
  let terminal: Terminal | undefined;

  beforeEach(async () => {
    sockets = [];
    backend = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined).pipe(socket);
    });
    backend.listen(0, '127.0.0.1');
    await until('the backend', () => backend.listening);
    const { port } = backend.address() as AddressInfo;
    const to = (destination: object): object => ({ rules: [{ action: { route: { destination } } }] });
    const back = { name: 'back', spec: { protocol: 'TCP', port }, endpoints: [{ name: 'e1', spec: '127.0.0.1' }] };
    proxy = await ProxyProcess.start({
      listeners: [
        { name: 'busy', spec: { protocol: 'TCP', ...local }, ...to(back) },
        { name: 'quiet', spec: { protocol: 'TCP', ...local }, ...to({ name: 'mirror', spec: { protocol: 'Echo' } }) },
      ],
    });
  });
  afterEach(async () => {
    terminal?.close();
    terminal = undefined;
    for (const socket of sockets) socket.destroy();
    await proxy.stop();
    await new Promise((resolve) => backend.close(resolve));
  });

  async function open(listener: string): Promise<Socket> {
    const socket = connect(proxy.port(listener), '127.0.0.1');
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
    await until('a connection', () => !socket.connecting);
    return socket;
  }

  /** Says so many bytes ten times a second. */
  async function talk(listener: string, bytes: number): Promise<{ stop(): void }> {
    const socket = await open(listener);
    const timer = setInterval(() => socket.write(Buffer.alloc(bytes)), 100);
    return { stop: () => clearInterval(timer) };
  }

  const show = (columns = 150, rows = 20): Terminal =>
    (terminal = new Terminal(columns, rows, `'${L7MP}' top --api ${proxy.api} --interval 200`));

  it('shows what moves, sums and sessions, and follows it', async () => {
    const talking = await talk('busy', 10_000);
    try {
      await open('quiet');
      const { shows } = { shows: (pattern: RegExp) => screen.shows(pattern) };
      const screen = show();
      await shows(/2 sessions, 0 in the kernel +in \d+\.\d kB\/s, \d+ p\/s +out \d+\.\d kB\/s/u);
      await shows(/^ *listener busy +1 +\d+\.\d kB\/s +\d+\.\d kB\/s +\d+ +\d+ *$/mu);
      await shows(/^ *cluster back +1 +\d+\.\d kB\/s/mu);
      const text = await shows(/^SESSION +LISTENER +CLUSTER +ENDPOINT +PATH +STATUS +AGE +IN +OUT/mu);
      const [first, second] = text.slice(text.indexOf('SESSION ')).split('\n').slice(1);
      expect(first).to.match(/busy +back +127\.0\.0\.1:\d+ +user +connected +\d+ m?s +\d+\.\d kB\/s/u);
      expect(second).to.match(/quiet +mirror +<VIRTUAL> +user +connected +\d+ m?s +0 B\/s/u);
      talking.stop();
      await shows(/in 0 B\/s, 0 p\/s +out 0 B\/s/u);
    } finally {
      talking.stop();
    }
  });

  it('sorts, filters, pauses and goes on', async () => {
    await open('quiet');
    await open('busy');
    const screen = show();
    await screen.shows(/2 sessions/u);
    screen.press('a');
    await screen.shows(/by age/u);
    screen.press('s');
    await screen.shows(/by name/u);
    screen.press('/');
    screen.press('quix');
    screen.press('BSpace');
    await screen.shows(/^filter: qui_/mu);
    screen.press('Enter');
    await screen.shows(/with "qui"[^]*1 of 1/u);
    expect(screen.text).to.not.match(/connected[^]*connected/u);
    screen.press('Escape');
    await screen.shows(/1 of 2/u);

    screen.press('p');
    await screen.shows(/PAUSED/u);
    const { text } = screen;
    await open('busy');
    await until('the proxy to know it', async () => (await proxy.sessions()).length === 3);
    // Keys are heard meanwhile; the figures stay.
    screen.press('h');
    await screen.shows(/select a session/u);
    screen.press('h');
    await screen.shows(/2 sessions/u);
    expect(screen.text).to.equal(text);
    screen.press('Space');
    await screen.shows(/3 sessions/u);
  });

  it('shows all of a session that is selected, until it has ended', async () => {
    await open('quiet');
    const busy = await open('busy');
    const screen = show();
    screen.press('n');
    await screen.shows(/by name[^]*1 of 2/u);
    screen.press('Down');
    await screen.shows(/2 of 2/u);
    screen.press('Enter');
    const details = await screen.shows(/^timeline/mu);
    const name = /^session +(\S+)/mu.exec(details)?.[1] ?? '';
    expect(details)
      .to.match(/^listener +(busy|quiet)$/mu)
      .and.to.match(/CONNECT: all stages are connected/u);
    for (const socket of sockets) socket.destroy();
    busy.destroy();
    await until('no session', async () => (await proxy.sessions()).length === 0);
    await screen.shows(new RegExp(`session +${name.replaceAll('.', '[.]')} has ended`, 'u'));
    screen.press('Escape');
    await screen.shows(/0 sessions[^]*0 of 0/u);
  });

  it('fits any terminal, and leaves it as it was', async () => {
    await Promise.all(Array.from({ length: 40 }, () => open('busy')));
    const screen = show(150, 20);
    await screen.shows(/1 of 40/u);
    for (const [columns, rows] of [
      [200, 50],
      [60, 12],
      [100, 30],
    ] as const) {
      screen.resize(columns, rows);
      await until('the last line at the bottom', () => {
        const { lines } = screen;
        return lines.length === rows && (lines.at(-1) ?? '').includes('1 of 40') && lines[0]?.startsWith('l7mp top');
      });
      expect(
        screen.lines.filter((line) => line.includes('back') && line.includes('TCP:')).length,
        `at ${columns}`,
      ).to.be.at.least(1);
    }
    screen.press('End');
    await screen.shows(/^40 of 40/mu);
    screen.press('q');
    const left = await screen.shows(/^ended: 0$/mu);
    expect(left).to.not.contain('l7mp top');
  });

  it('says when the proxy is gone, and goes on when it is back', async () => {
    const screen = show();
    await screen.shows(/0 sessions/u);
    proxy.peer.signal('SIGKILL');
    await screen.shows(/^expected a proxy at http:.*/mu);
    screen.press('C-c');
    await screen.shows(/^ended: 0$/mu);
  });

  it('prints a table where there is no terminal, once or again and again, or JSON', async () => {
    await open('busy');
    await open('quiet');
    await until('two sessions', async () => (await proxy.sessions()).length === 2);
    const ask = (...args: string[]) => l7mp(['top', '--api', proxy.api, ...args]);
    const { code, stdout } = await ask('--once', '--filter', 'BUSY');
    expect(code).to.equal(0);
    expect(stdout).to.match(
      /^\S+Z {2}2 sessions, .*\n +SUMS NAME .*\n *listener busy .*\n[^]*\n\nSESSION .*\nTCP:\S+ +busy .*\n\n$/u,
    );
    const limited = await ask('--once', '--limit', '1');
    expect(limited.stdout).to.match(/\n… 1 more\n/u);
    const json = JSON.parse((await ask('--once', '--json')).stdout) as { total: number; traffic: { sessions: number } };
    expect([json.total, json.traffic.sessions]).to.deep.equal([2, 2]);
    const again = spawnSync('bash', ['-c', `'${L7MP}' top --api ${proxy.api} --interval 100 | grep -m 3 -c sessions`], {
      encoding: 'utf8',
    });
    expect(again.stdout).to.equal('3\n');
    const gone = await l7mp(['top', '--once', '--api', 'http://127.0.0.1:1']);
    expect(gone.code).to.equal(4);
    expect(gone.stderr).to.match(/^l7mp: expected a proxy at/u);
  });
});
