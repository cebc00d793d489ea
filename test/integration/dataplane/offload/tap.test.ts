/** Sessions that the kernel relays come back to user space while somebody looks at them, and go in again. */
import { expect } from 'chai';
import type { TapRecord } from '../../../../dataplane/taps/records.ts';
import { L7MP } from '../../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, FOUR, IN_PROXY } from './bed.ts';

describe(`taps of sessions in the kernel, with ${versionOf(PYTHON, '--version')}`, () => {
  let bed: Bed;
  let tap: Peer | undefined;

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(async () => {
    await tap?.stop();
    tap = undefined;
    await bed.close();
  });

  const start = (name: string, ...args: string[]): Peer =>
    (tap = new Peer('ip', [...IN_PROXY, L7MP, 'tap', name, '--api', bed.proxy.api, '--json', ...args]));

  it('see all of it meanwhile, and nothing is lost or counted twice', async () => {
    await bed.start(FOUR, { policy: 'auto', threshold: 100 });
    const hot = bed.sender(FOUR);
    const { name } = await bed.inKernel();
    const shown = start('in', '--count', '1000', '--direction', 'in');
    await shown.output(/"type":"data"/u);
    const [tapped] = bed.sessions();
    expect(tapped?.offload).to.deep.include({ state: 'user', reason: 'expected nobody to look at it, found a tap' });
    expect(await shown.exit, shown.stderr).to.equal(0);
    const records = shown.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as TapRecord);
    expect(records.filter(({ type }) => type === 'data')).to.have.length(1000);
    expect(records.find(({ type }) => type === 'session')).to.deep.include({ session: name, joined: true });
    expect(records.at(-1)).to.deep.include({ type: 'stop', dropped: { messages: 0, bytes: 0 } });

    const again = await until('it in the kernel again', () => {
      const [session] = bed.sessions();
      return session?.offload.state === 'kernel' && session;
    });
    const events = again.events.filter(({ event }) => /KERNEL|USER/u.test(event)).map(({ event }) => event);
    expect(events).to.deep.equal(['KERNEL', 'USER SPACE', 'KERNEL']);
    expect(bed.offload()).to.deep.include({ handbacks: 1, refusals: { tap: 1 } });
    await bed.counted(await hot.stop());
  });

  it('keep new sessions in user space as long as they look', async () => {
    await bed.start(FOUR, 'always');
    const shown = start('in', '--seconds', '30', '--bytes', '0');
    await until('the tap', () => bed.curl('/api/v1/taps').includes('"in"'));
    const hot = bed.sender(FOUR);
    await until('a session that is two seconds old', () => {
      const [session] = bed.sessions();
      return (session?.counters.egress.packets ?? 0) > 0 && bed.sessions()[0]?.offload.state === 'user' && session;
    });
    const since = performance.now();
    await until('it to have stayed for longer than it takes to go in', () => {
      expect(bed.sessions()[0]?.offload.state).to.equal('user');
      return performance.now() - since > 2500;
    });
    shown.signal('SIGINT');
    expect(await shown.exit, shown.stderr).to.equal(0);
    await bed.inKernel();
    await bed.counted(await hot.stop());
  });
});
