import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';
import { until } from '../../../../support/until.ts';

/** A candidate in a process of its own. */
class Candidate {
  readonly child: ChildProcess;
  /** When it said that it leads, each time it looked; and when that it does no more. */
  readonly led: number[] = [];
  readonly lost: number[] = [];

  constructor(kubeconfig: string, identity: string) {
    const args = ['--import', 'tsx/esm', 'test/support/lease-process.ts', kubeconfig, identity];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const { leads, at } = JSON.parse(line) as { leads: boolean; at: number };
      (leads ? this.led : this.lost).push(at);
    });
  }

  get leads(): boolean {
    return (this.led.at(-1) ?? 0) > Math.max(this.lost.at(-1) ?? 0, Date.now() - 2000);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'close');
  }
}

/** Whoever leads at a time leads alone: between two looks of one, no other has looked and led. */
function expectOneLeader(candidates: readonly Candidate[]): void {
  const looks = candidates.flatMap(({ led }, who) => led.map((at) => ({ who, at }))).sort((a, b) => a.at - b.at);
  const terms = looks.filter(({ who }, index) => looks[index - 1]?.who !== who).map(({ who }) => who);
  expect(new Set(terms).size, `terms of ${terms.join()}`).to.equal(terms.length);
}

describe('kubernetes: the lease', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasControllers: false });
  let candidates: Candidate[] = [];

  beforeEach(() => {
    candidates = ['one', 'two', 'three'].map((identity) => new Candidate(kube().kubeconfig, identity));
  });
  afterEach(async () => {
    await Promise.all(candidates.map((candidate) => candidate.end('SIGKILL')));
    candidates = [];
  });
  const leader = (of = candidates): Promise<Candidate> =>
    until('a leader', () => of.find(({ leads }) => leads), 40_000);

  it('goes to another when the leader is killed, and at once when it ends in order', async () => {
    const first = await leader();
    await first.end('SIGKILL');
    const killed = Date.now();
    const rest = candidates.filter((each) => each !== first);
    const second = await leader(rest);
    // Nobody knows that it was killed before its lease is over.
    expect(second.led[0]! - killed).to.be.within(1500, 20_000);
    await second.end('SIGTERM');
    const ended = Date.now();
    const third = await leader(rest.filter((each) => each !== second));
    expect(third.led[0]! - ended).to.be.below(4000);
    expectOneLeader(candidates);
  });

  it('goes to another when the leader is stopped, which then knows that it leads no more', async () => {
    const first = await leader();
    first.child.kill('SIGSTOP');
    const rest = candidates.filter((each) => each !== first);
    const second = await leader(rest);
    const looks = first.led.length;
    first.child.kill('SIGCONT');
    await until('the first to know', () => first.lost.length === 1);
    await until('the second to go on', () => second.leads && second.led.at(-1)! > first.lost[0]! + 1000);
    // What it had printed may have come late: by its time, nothing is of after it was stopped.
    expect(first.led.slice(looks).filter((at) => at > second.led[0]!)).to.deep.equal([]);
    expectOneLeader(candidates);
  });

  it('is nobody’s while the API server is away, and somebody’s after that', async () => {
    const first = await leader();
    await kube().apiServer.kill();
    await until('no leader', () => first.lost.length === 1);
    await kube().apiServer.start();
    await leader();
    const all = candidates.flatMap(({ led }) => led);
    expect(all.filter((at) => at > first.lost[0]!)).not.to.have.length(0);
  });
});
