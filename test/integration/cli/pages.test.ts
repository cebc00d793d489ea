import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer } from '../../support/peer.ts';

/** A block of a page that is meant to be pasted into a shell. */
interface Block {
  readonly language: 'sh' | 'console';
  readonly text: string;
}

const blocksOf = (page: string): Block[] =>
  [...readFileSync(page, 'utf8').matchAll(/^```(sh|console)\n(.*?)^```$/gmsu)].map(([, language, text = '']) => ({
    language: language as Block['language'],
    text,
  }));

/** Commands of a console, each with what it prints. */
const commandsOf = (text: string): { readonly command: string; readonly output: string }[] =>
  text
    .split(/^\$ /mu)
    .slice(1)
    .map((part) => ({ command: part.split('\n')[0] ?? '', output: part.slice(part.indexOf('\n') + 1) }));

/** Without what differs from run to run: the ports of clients, times, rates, progress, and the widths of columns. */
const normalized = (text: string): string =>
  text
    .trim()
    .replace(/:[3-6]\d{4}-127/gu, ':PORT-127')
    .replace(/\d+ m?s\b/gu, 'TIME')
    .replace(/\d+ B\/s/gu, 'RATE')
    .replace(/\b\d+[smhd]$/gmu, 'AGE')
    .replace(/^\d+ of \d+$\n?/gmu, '')
    .replace(/ {2,}/gu, '  ');

/** What a page shows: an ellipsis stands for the rest. */
function expectShown(output: string, shown: string): void {
  const [expected = '', ...rest] = normalized(shown).split(/\n?\.\.\.$/u);
  if (rest.length > 0) expect(normalized(output).slice(0, expected.length)).to.equal(expected);
  else expect(normalized(output)).to.equal(expected);
}

/** What `npm start` ends in, once everything is set up. */
const START = 'L7MP_DATA_DIR=/tmp/data scripts/quick-start.sh';

/** A shell in a network namespace of its own, where all ports are free. */
class Shell {
  readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
  private readonly bash = new Peer('unshare', ['--net', 'bash']);

  async start(): Promise<void> {
    expect(await this.run('ip link set lo up')).to.deep.equal({ code: 0, output: '' });
  }

  /** Runs what a page says; its files go into a directory of the test. */
  async run(text: string): Promise<{ readonly code: number; readonly output: string }> {
    this.bash.stdout = '';
    const command = text.replaceAll('/tmp/', `${this.directory}/`);
    this.bash.write(`{ ${command}\n} 2>&1; echo "[exit code $?]"\n`);
    const [, output = '', code] = await this.bash.output(/^([^]*)\[exit code (\d+)\]\n/u);
    return { code: Number(code), output: output.replaceAll(`${this.directory}/`, '/tmp/') };
  }

  /** `npm start`, instead of the one that runs. */
  async startProxy(command: string): Promise<void> {
    const own = /npm start -- ([^#]*)/u.exec(command)?.[1];
    await this.run('[ -z "$started" ] || { kill $started; wait $started; }');
    await this.run(`: > /tmp/log; ${own === undefined ? START : `bin/l7mp proxy ${own}`} 2> /tmp/log & started=$!`);
    const last = own === undefined ? 'Try in another terminal' : '"msg":"ready"';
    const { output } = await this.run(
      `for i in $(seq 400); do grep -q '${last}' /tmp/log && break; sleep 0.05; done; cat /tmp/log`,
    );
    expect(output, 'what it said').to.contain(last).and.contain('"api":"127.0.0.1:1234"');
  }

  async stop(): Promise<void> {
    this.bash.write('\nkill $(jobs -p) 2> /dev/null\nwait\nexit\n');
    await this.bash.exit;
    rmSync(this.directory, { recursive: true });
  }
}

describe('what the pages tell to paste into a shell', () => {
  let shell: Shell;
  beforeEach(async () => {
    shell = new Shell();
    await shell.start();
  });
  afterEach(() => shell.stop());

  it('docs/quick-start.md: prints what the page shows', async () => {
    for (const { language, text } of blocksOf('docs/quick-start.md')) {
      if (language === 'sh') {
        if (text.startsWith('npm start')) await shell.startProxy(text);
        else expect(await shell.run(text)).to.include({ code: 0 });
        continue;
      }
      for (const { command, output } of commandsOf(text)) {
        if (command.startsWith('npm start')) await shell.startProxy(command);
        else expectShown((await shell.run(command)).output, output);
      }
    }
    expect((await shell.run('cat /tmp/log')).output, 'the change with a fault').to.contain('perhaps clusters');
    expect((await shell.run('echo again | bin/l7mp pipe - unix:/tmp/l7mp.sock')).output).to.equal('again\n');
  }).timeout(40_000);

  it('README.md: works', async () => {
    const lines = blocksOf('README.md').flatMap(({ text }) => text.trim().split('\n'));
    const outputs = new Map<string, string>();
    for (const line of lines) {
      if (line.startsWith('npm test')) continue;
      if (line.startsWith('npm start')) {
        await shell.startProxy(line);
        continue;
      }
      // What would go on until somebody interrupts it.
      const listens = line.includes('-listen:');
      const { code, output } = await shell.run(listens ? `timeout --preserve-status -s INT 1 ${line}` : line);
      expect(code, `${line}: ${output}`).to.equal(0);
      outputs.set(line, output);
    }
    const [applied, status, hello, sessions, listening, help] = [...outputs.values()];
    expect(applied).to.contain('Listener/tcp created');
    expect(status)
      .to.match(/^quick-start +Synced +0 /mu)
      .and.match(/^Listener\/tcp +Serving +1 of 1 /mu);
    expect(hello).to.equal('hello\n');
    expect(sessions).to.match(/^SESSION +STATUS +TO /mu);
    expect(listening).to.equal('');
    expect(help).to.match(/^Usage: l7mp pipe /u);
  }).timeout(20_000);
});
