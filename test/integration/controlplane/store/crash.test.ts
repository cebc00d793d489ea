/** `kill -9` at any instant: no acknowledged write is lost, no transaction is half there. Needs `npm run build`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { EMBEDDED_DEFAULTS, openEmbedded } from '../../../../controlplane/store/embedded/store.ts';
import { silentLogger } from '../../../support/doubles.ts';

const ROUNDS = 200;
const WRITERS = 4;
const KEYS = [0, 1, 2];

/** Writers that print each acknowledgement: writer, round, number, revision. The file is rewritten all the time. */
const PROGRAM = `
import { EMBEDDED_DEFAULTS, openEmbedded } from '${pathToFileURL('dist/controlplane/store/embedded/store.js').href}';
const [directory, round] = process.argv.slice(1);
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const history = { ...EMBEDDED_DEFAULTS.history, changes: 5 };
const store = await openEmbedded(directory, log, { ...EMBEDDED_DEFAULTS, slackBytes: 4096, history });
for (let writer = 0; writer < ${WRITERS}; writer++) {
  (async () => {
    for (let n = 0; ; n++) {
      const value = Buffer.from(JSON.stringify([Number(round), n, 'x'.repeat((n * 97) % 600)]));
      const operations = ${JSON.stringify(KEYS)}.map((i) => ({ type: 'put', key: writer + '/' + i, value }));
      const { revision } = await store.transact([], operations);
      process.stdout.write(writer + ' ' + round + ' ' + n + ' ' + revision + '\\n');
    }
  })();
}
`;

type Ack = readonly [round: number, n: number, revision: number];

/** Runs the writers, kills them some ms after their first acknowledgement, and returns the last of each. */
async function writeAndKill(directory: string, round: number, afterMs: number): Promise<Map<number, Ack>> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, directory, `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acks = new Map<number, Ack>();
  let isKilled = false;
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    const [writer = 0, ...ack] = line.split(' ').map(Number);
    acks.set(writer, ack as unknown as Ack);
    if (isKilled) return;
    isKilled = true;
    setTimeout(() => child.kill('SIGKILL'), afterMs);
  });
  const [[, signal]] = await Promise.all([once(child, 'close') as Promise<[unknown, string]>, once(lines, 'close')]);
  expect(signal).to.equal('SIGKILL');
  return acks;
}

describe('embedded store: kill -9', function () {
  this.timeout(300_000);
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-crash-'));
  after(() => rmSync(directory, { recursive: true }));

  it(`loses no acknowledged write, and splits none, in ${ROUNDS} rounds`, async () => {
    let revision = 0;
    let total = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const acks = await writeAndKill(directory, round, Math.random() * 25);
      const store = await openEmbedded(directory, silentLogger, EMBEDDED_DEFAULTS);
      try {
        for (const [writer, [, n, acknowledged]] of acks) {
          total += n + 1;
          const { entries } = await store.list(`${writer}/`);
          expect(entries).to.have.length(KEYS.length);
          const values = new Set(entries.map(({ value }) => value.toString()));
          expect(values.size, 'values of one transaction').to.equal(1);
          const [foundRound, found] = JSON.parse([...values][0]!) as [number, number];
          expect(foundRound).to.equal(round);
          expect(found).to.be.at.least(n);
          for (const { modRevision } of entries) {
            if (found === n) expect(modRevision).to.equal(acknowledged);
            else expect(modRevision).to.be.above(acknowledged);
          }
          expect(acknowledged).to.be.above(revision);
        }
        const now = await store.revision();
        expect(now).to.be.at.least(Math.max(...[...acks.values()].map(([, , each]) => each)));
        expect(now).to.be.above(revision);
        revision = now;
      } finally {
        await store.close();
      }
    }
    expect(total).to.be.above(ROUNDS);
  });
});
