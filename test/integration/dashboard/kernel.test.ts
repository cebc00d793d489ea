/** A proxy's page of what its kernel relays, in Chromium, with a real flow in a real kernel. */
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { size } from '../../../dashboard/format.ts';
import { seriousFindings, startBrowser } from '../../support/browser.ts';
import { L7MP } from '../../support/command.ts';
import { Peer } from '../../support/peer.ts';
import { until } from '../../support/until.ts';
import { Bed, FOUR, IN_PROXY } from '../dataplane/offload/bed.ts';
import { factsOf, Pages, rowOf } from './page.ts';

const FLOWS = 'Sessions by the way they take';

/** What the REST API says. */
interface Offload {
  readonly flows: number;
  readonly capacity: number;
  readonly attachment: string;
  readonly interfaces: readonly string[];
  readonly sessions: readonly { readonly session: string; readonly packets: number; readonly bytes: number }[];
}

describe("a proxy's page of the kernel, in Chromium", function () {
  this.timeout(60_000);
  let browser: Browser;
  let bed: Bed;
  let tap: Peer | undefined;
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());
  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(async () => {
    await pages.close();
    await tap?.stop();
    tap = undefined;
    await bed.close();
  });

  it('shows a flow, with the numbers of the REST API and of its sender, and why it came back', async () => {
    await bed.start(FOUR, 'always');
    const hot = bed.sender(FOUR);
    const { name } = await bed.inKernel();
    const page = await pages.at(`http://127.0.0.1:${await bed.wayIn(bed.proxy.apiPort)}/ui/#kernel`);
    await until('its way', async () => (await rowOf(page, FLOWS, name))['Way'] === 'kernel');
    const before = Number((await rowOf(page, FLOWS, name))['Packets']);
    await until('numbers that grow', async () => Number((await rowOf(page, FLOWS, name))['Packets']) > before);

    const session = await bed.counted(await hot.stop());
    const told = JSON.parse(bed.curl('/api/v1/offload')) as Offload;
    const { ingress, egress } = session.offload.traffic ?? {};
    const [packets, bytes] = (['packets', 'bytes'] as const).map(
      (what) => (ingress?.[what] ?? 0) + (egress?.[what] ?? 0),
    );
    expect(told.sessions.map((each) => [each.session, each.packets, each.bytes])).to.deep.equal([
      [name, packets, bytes],
    ]);
    await until('the last packets', async () => (await rowOf(page, FLOWS, name))['Packets'] === String(packets));
    const shown = { Session: name, Way: 'kernel', Listener: 'in', Packets: String(packets), Bytes: size(bytes ?? 0) };
    expect(await rowOf(page, FLOWS, name)).to.deep.equal({ ...shown, Why: '' });
    const { flows, capacity, attachment, interfaces } = told;
    expect(flows).to.equal(1);
    expect(await factsOf(page)).to.include({
      UDP: `kernel 1 of ${capacity} sessions, by ${attachment} at ${interfaces.join(', ')}`,
      'Given to the kernel': '1',
      'Taken back': '0',
    });
    expect(await seriousFindings(page)).to.deep.equal([]);

    tap = new Peer('ip', [...IN_PROXY, L7MP, 'tap', 'in', '--api', bed.proxy.api, '--seconds', '60']);
    await until('it in user space', async () => (await rowOf(page, FLOWS, name))['Way'] === 'user');
    const { Why: why, ...rest } = await rowOf(page, FLOWS, name);
    expect(rest).to.deep.equal({ ...shown, Way: 'user' });
    expect(why).to.match(/^expected nobody to look at it, found a tap/u);
    await until('what was taken back', async () => (await factsOf(page))['Taken back'] === '1');
    await page.getByRole('row', { name: 'tap 1', exact: true }).waitFor();
  });
});
