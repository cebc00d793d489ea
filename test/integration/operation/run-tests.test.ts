/** The script that runs all tests, of a project that has few. */
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Result, runCommand } from '../../support/command.ts';

const SCRIPT = resolve('scripts/run-tests.ts');
const UNIT = 'test/unit/one.test.ts';
const INTEGRATION = 'test/integration/two.test.ts';
const HOLDS = `it('holds', () => undefined);`;

describe('the run of all tests', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    symlinkSync(resolve('node_modules'), join(directory, 'node_modules'));
    write('package.json', '{ "type": "module" }');
    write('.mocharc.json', '{ "node-option": ["import=tsx/esm"], "spec": ["test/**/*.test.ts"] }');
    write('scripts/mocharc.cjs', readFileSync('scripts/mocharc.cjs', 'utf8'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const write = (name: string, text: string): void => {
    const file = join(directory, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };

  const run = (files: Readonly<Record<string, string>>): Promise<Result> => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    const words = [process.execPath, '--import=tsx/esm', SCRIPT];
    const path = `${resolve('node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
    return runCommand('bash', ['-c', 'cd "$0" && exec "$@"', directory, ...words], '', { PATH: path });
  };

  it('has folders beside each other, shows them in order, and counts what passed', async () => {
    const { code, stdout, stderr } = await run({
      [UNIT]: `
        import { writeFileSync } from 'node:fs';
        ${HOLDS}
        it('goes first', () => writeFileSync('gone', ''));
        it.skip('is not run', () => undefined);`,
      [INTEGRATION]: `
        import { existsSync } from 'node:fs';
        it('waits for the other', async () => {
          while (!existsSync('gone')) await new Promise((resolve) => setTimeout(resolve, 5));
        });`,
    });
    expect(code, stdout + stderr).to.equal(0);
    expect(stdout).to.match(/waits for the other.*goes first/su);
    expect(stdout).to.match(/^test\/integration: 1 passed, 0 failed, 0 retried, 0 not run, in \d+ s$/mu);
    expect(stdout).to.match(/^test\/unit: 2 passed, 0 failed, 0 retried, 1 not run, in \d+ s$/mu);
    expect(stdout).to.match(/\n3 passed, 0 failed\n$/u);
  });

  it('fails where a test does', async () => {
    const { code, stdout } = await run({ [UNIT]: `${HOLDS} it('fails', () => { throw new Error('why'); });` });
    expect(code).to.equal(1);
    expect(stdout).to.contain('Error: why');
    expect(stdout).to.match(/\n1 passed, 1 failed\n$/u);
  });

  for (const [how, statement, found] of [
    ['is killed', "process.kill(process.pid, 'SIGKILL')", 'SIGKILL'],
    ['ends early as if all were well', 'process.exit(0)', 'exit code 0'],
  ] as const) {
    it(`fails where a folder's process ${how}`, async () => {
      const { code, stdout } = await run({ [UNIT]: HOLDS, [INTEGRATION]: `${HOLDS} it('ends', () => ${statement});` });
      expect(code).to.equal(1);
      expect(stdout).to.contain(`test/integration: expected mocha to end by itself, found ${found}\n`);
      expect(stdout).to.match(/\n1 passed, 1 failed\n$/u);
    });
  }

  it('fails where the last test is over and mocha fails nevertheless', async () => {
    const { code, stdout } = await run({
      [UNIT]: `${HOLDS} after(() => process.once('exit', () => process.exit(3)));`,
    });
    expect(code).to.equal(1);
    expect(stdout).to.contain('test/unit: expected mocha to end by itself, found exit code 3\n');
    expect(stdout).to.match(/\n1 passed, 1 failed\n$/u);
  });

  it('refuses tests that lie elsewhere', async () => {
    const { code, stderr } = await run({ [UNIT]: HOLDS, 'test/other.test.ts': HOLDS });
    expect(code).to.equal(1);
    expect(stderr).to.contain('found test/other.test.ts');
  });

  it('fails where there is no test', async () => {
    const { code, stdout } = await run({ 'test/unit/none.txt': '' });
    expect(code).to.equal(1);
    expect(stdout).to.equal('0 passed, 0 failed\n');
  });
});
