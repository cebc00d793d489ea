import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { l7mp, runCommand } from '../../support/command.ts';
import { versionOf } from '../../support/peer.ts';

const COMMANDS = [
  'proxy',
  'pipe',
  'check',
  'config',
  'sessions',
  'explain',
  'controlplane',
  'apply',
  'diff',
  'delete',
  'rollback',
  'rollout',
  'restore',
  'status',
  'get',
  'wait',
  'history',
  'backup',
  'completion',
];

describe('l7mp', () => {
  it('lists its commands, and fails where it is told none', async () => {
    const { code, stdout, stderr } = await l7mp([]);
    for (const command of COMMANDS) expect(stderr).to.match(new RegExp(`^  ${command} `, 'mu'));
    expect([code, stdout]).to.deep.equal([2, '']);
    expect(await l7mp(['--help'])).to.include({ code: 0, stdout: stderr });
  });

  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await l7mp(['--version'])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('guesses which command was meant', async () => {
    const { code, stderr } = await l7mp(['sesions']);
    expect(stderr).to.match(/^l7mp: unknown command 'sesions'\n\(Did you mean sessions\?\)/u);
    expect(code).to.equal(2);
  });

  for (const command of COMMANDS) {
    it(`${command} --help shows its usage, options and an example`, async () => {
      const { code, stdout, stderr } = await l7mp([command, '--help']);
      expect(stdout).to.match(new RegExp(`^Usage: l7mp ${command} `, 'u'));
      expect(stdout).to.match(/^ {2}-h, --help /mu);
      expect(stdout).to.match(new RegExp(`^Examples?:\n(.*\n)*.*l7mp ${command} `, 'mu'));
      expect([code, stderr]).to.deep.equal([0, '']);
    });
  }

  it(`has a manual page that ${versionOf('man', '--version')} shows without a warning`, async () => {
    const page = await runCommand('man', ['--warnings=w', '-E', 'UTF-8', '-P', 'cat', '-l', 'man/l7mp.1'], '', {
      MANWIDTH: '100',
    });
    expect(page.stderr).to.equal('');
    for (const part of ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'COMMANDS', 'EXIT STATUS']) {
      expect(page.stdout).to.match(new RegExp(`^${part}$`, 'mu'));
    }
    for (const command of COMMANDS) expect(page.stdout).to.match(new RegExp(`^ +l7mp ${command}`, 'mu'));
  });
});

describe(`l7mp completion in ${versionOf('bash', '--version')}`, () => {
  /** What bash offers for a line whose last word is being written. */
  async function complete(...words: readonly string[]): Promise<string[]> {
    const script = `
source <(bin/l7mp completion bash)
complete -p l7mp > /dev/null || exit 1
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_l7mp
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, stdout, stderr } = await runCommand('bash', ['-c', script, 'bash', 'l7mp', ...words]);
    expect([code, stderr]).to.deep.equal([0, '']);
    return stdout.trim().split('\n');
  }

  it('completes commands', async () => {
    expect(await complete('')).to.include.members([...COMMANDS, '--help', '--version']);
    expect(await complete('co')).to.deep.equal(['config', 'controlplane', 'completion']);
  });

  it('completes the options of each', async () => {
    expect(await complete('proxy', '--dr')).to.deep.equal(['--drain-timeout']);
    expect(await complete('sessions', '--')).to.include.members(['--api', '--sort', '--once', '--help']);
    expect(await complete('sessions', '--')).to.not.include('--config');
  });

  it('completes the values that an option takes', async () => {
    expect(await complete('sessions', '--sort', '')).to.deep.equal(['name', 'rate', 'bytes', 'age']);
    expect(await complete('proxy', '-l', 'w')).to.deep.equal(['warn']);
    expect(await complete('pipe', '-', 'echo', '--framing', 'len')).to.deep.equal([
      'length-prefix-2',
      'length-prefix-4',
    ]);
    expect(await complete('completion', '')).to.deep.equal(['bash', 'zsh', 'fish']);
  });

  it('completes addresses', async () => {
    expect(await complete('pipe', 'udp-l')).to.include('udp-listen:');
    expect(await complete('pipe', '-', 'ech')).to.include('echo');
  });

  it('completes kinds of objects', async () => {
    expect(await complete('get', 'li')).to.deep.equal(['listener']);
    expect(await complete('rollout', 'p')).to.deep.equal(['pause', 'promote']);
  });

  it('completes files', async () => {
    expect(await complete('check', 'examples/quick')).to.deep.equal(['examples/quick-start.yaml']);
    expect(await complete('proxy', '-c', 'examples/quick')).to.deep.equal(['examples/quick-start.yaml']);
  });

  it('refuses a shell that it does not know', async () => {
    const { code, stdout, stderr } = await l7mp(['completion', 'bsh']);
    expect(stderr).to.match(/^l7mp: .*'bsh' is invalid.* Allowed choices are bash, zsh, fish\./u);
    expect([code, stdout]).to.deep.equal([2, '']);
  });

  for (const shell of ['zsh', 'fish']) {
    it(`names every command and option for ${shell}`, async () => {
      const { stdout } = await l7mp(['completion', shell]);
      for (const word of [...COMMANDS, 'drain-timeout', 'half-close', 'interval']) expect(stdout).to.contain(word);
    });
  }

  it('is sourced as its help says, in an interactive shell', () => {
    const script = `PATH=${resolve('bin')}:$PATH; source <(l7mp completion bash); complete -p l7mp`;
    expect(execFileSync('bash', ['-ic', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })).to.equal(
      'complete -o filenames -F _l7mp l7mp\n',
    );
  });
});
