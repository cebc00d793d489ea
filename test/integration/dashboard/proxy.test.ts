import { expect } from 'chai';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Browser, Locator } from 'playwright-core';
import type { Refusal } from '../../../config/reloads.ts';
import { seriousFindings, startBrowser } from '../../support/browser.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';
import { goTo, Pages, rowOf } from './page.ts';

const CONFIG = {
  listeners: [
    {
      name: 'web',
      spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 },
      options: { track: 60 },
      rules: [{ name: 'all', action: { route: { name: 'to-echo', destination: 'echo' } } }],
    },
  ],
  clusters: [{ name: 'echo', spec: { protocol: 'Echo' } }],
};
/** So many that they are not all in the page. */
const MANY = 1000;

describe("a proxy's dashboard, in Chromium", function () {
  this.timeout(60_000);
  let browser: Browser;
  let proxy: TestProxy;
  let base: string;
  let refusal: Refusal | undefined;
  const sockets: Socket[] = [];
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    refusal = undefined;
    const reloads = {
      succeeded: 0,
      failed: 0,
      get refusal() {
        return refusal;
      },
    };
    proxy = await startProxy(CONFIG, { api: true, reloads });
    base = `http://127.0.0.1:${proxy.port()}`;
  });
  afterEach(async () => {
    await pages.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.close();
  });

  async function signIn(dialog: Locator, token: string): Promise<void> {
    await dialog.getByLabel('Bearer token').fill(token);
    await dialog.getByRole('button', { name: 'Sign in' }).click();
  }

  async function session(): Promise<Socket> {
    const socket = connect(proxy.port('web'), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write('hello');
    await once(socket, 'data');
    return socket;
  }

  it('is where a browser asks for the API; programs get what they got before', async () => {
    const page = await pages.at(base);
    await page.getByText('proxy 0.1.0').waitFor();
    expect(new URL(page.url()).pathname).to.equal('/ui/');
    expect(await page.getByRole('navigation').getByRole('link').allTextContents()).to.not.include('History');
    expect(await (await fetch(base)).text()).to.include('/api/v1/config');
  });

  it('has what is wrong with the configuration file among the faults, until it is taken', async () => {
    const file = 'l7mp.yaml';
    refusal = { at: Date.now(), file, faults: ['clutsers: expected a field, found another (line 27)'] };
    const page = await pages.at(`${base}/ui/#faults`);
    await until('the fault', async () => (await rowOf(page, 'Faults', file))['Now'] === 'failed');
    expect(await rowOf(page, 'Faults', file)).to.include({ Kind: 'configuration', Message: refusal.faults[0] });
    refusal = undefined;
    await until('its end', async () => (await rowOf(page, 'Faults', file))['Now'] === 'healed');
  });

  it('shows a session with its timeline, kept when it has ended, and ends it', async () => {
    const socket = await session();
    const page = await pages.at(`${base}/ui/#sessions`);
    const name = new RegExp(`TCP:127\\.0\\.0\\.1:${socket.localPort}-`, 'u');
    await page.getByRole('button', { name }).click();
    const panel = page.getByRole('dialog', { name });
    await panel.getByText('CONNECT', { exact: true }).waitFor();
    const closed = once(socket, 'close');
    await panel.getByRole('button', { name: 'End this session' }).click();
    await page.getByRole('button', { name: 'End it' }).click();
    await closed;
    await panel.getByText('DESTROYED').first().waitFor();
    await panel.getByText('DELETED').first().waitFor();
    expect(await panel.getByRole('button', { name: 'End this session' }).count()).to.equal(0);
  });

  it('tells a session that has ended from a proxy that does not answer, and keeps the focus', async () => {
    const socket = await session();
    const [{ name } = { name: '' }] = [...proxy.proxy.sessions()];
    const page = await pages.at(`${base}/ui/#sessions`);
    await page.getByRole('button', { name }).click();
    const panel = page.getByRole('dialog', { name });
    await panel.getByRole('button', { name: 'End this session' }).focus();
    await page.route('**/api/v1/sessions/*', (route) => route.abort('connectionrefused'));
    await panel.getByText('the server does not answer').waitFor();
    expect(await panel.getByText('It has ended').count()).to.equal(0);
    await page.unroute('**/api/v1/sessions/*');
    await panel.getByText('the server does not answer').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).to.equal('End this session');
    socket.destroy();
    await panel.locator('dl').getByText('DESTROYED').waitFor();
  });

  it('changes its own configuration: with lines of what is wrong, and what would change', async () => {
    const page = await pages.at(`${base}/ui/#objects`);
    await page.getByRole('button', { name: 'Edit' }).click();
    const text = page.getByLabel('Configuration (YAML or JSON)');
    await page.getByText('Valid. It changes nothing.').waitFor();
    const before = await text.inputValue();
    await text.fill(before.replace('protocol: Echo', 'protocol: Ecco'));
    await page.getByRole('button', { name: /line \d+: clusters\[0\]\.spec\.protocol: expected/u }).waitFor();
    await text.fill(before.replace('protocol: Echo', 'protocol: Discard'));
    await page.getByText('Valid. It changes 1 object.').waitFor();
    expect(proxy.proxy.snapshot.clusters.get('echo')?.value.spec.protocol, 'a dry run').to.equal('Echo');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Applied.').waitFor();
    expect(proxy.proxy.snapshot.clusters.get('echo')?.value.spec.protocol).to.equal('Discard');
    expect(await seriousFindings(page)).to.deep.equal([]);
  });

  it('finds in the editor what l7mp check finds: unknown fields, and names that nobody has', async () => {
    const page = await pages.at(`${base}/ui/#objects`);
    await page.getByRole('button', { name: 'Edit' }).click();
    const text = page.getByLabel('Configuration (YAML or JSON)');
    await page.getByText('Valid. It changes nothing.').waitFor();
    const before = await text.inputValue();
    await text.fill(`${before}clutsers: []\n`);
    await page.getByRole('button', { name: /line \d+: clutsers: expected/u }).waitFor();
    expect(await page.getByRole('button', { name: 'Apply' }).isDisabled()).to.equal(true);
    await text.fill(before.replace('destination: echo', 'destination: zz'));
    await page.getByText('warning: destination: expected the name of a cluster that exists, found "zz"').waitFor();
    expect(await page.getByRole('button', { name: 'Apply' }).isEnabled()).to.equal(true);
  });

  it('asks before a text is lost that was not applied, and only then', async () => {
    const page = await pages.at(`${base}/ui/#objects`);
    const panel = page.getByRole('dialog', { name: "The proxy's own configuration" });
    const question = page.getByRole('dialog', { name: 'Discard what is not applied?' });
    const text = page.getByLabel('Configuration (YAML or JSON)');
    const edit = async (): Promise<void> => {
      await page.getByRole('button', { name: 'Edit' }).click();
      await page.getByText('Valid. It changes nothing.').waitFor();
    };
    await edit();
    await text.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await edit();
    await text.press('End');
    await text.pressSequentially('x');
    const written = await text.inputValue();
    for (let time = 0; time < 3; time++) {
      await text.press('Escape');
      await question.waitFor();
      await page.keyboard.press('Escape');
      await question.waitFor({ state: 'detached' });
    }
    expect(await text.inputValue()).to.equal(written);
    await panel.getByRole('button', { name: 'Close' }).click();
    await question.getByRole('button', { name: 'Discard' }).click();
    await panel.waitFor({ state: 'detached' });
    await edit();
    await text.fill((await text.inputValue()).replace('protocol: Echo', 'protocol: Discard'));
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Applied.').waitFor();
    await text.press('Escape');
    await panel.waitFor({ state: 'detached' });
  });

  it('says what its kernel does, and how it fares', async () => {
    const page = await pages.at(base);
    await goTo(page, 'Kernel');
    await page.getByText('kernel offload is not asked for (admin.offload)').waitFor();
    await goTo(page, 'Proxies');
    await page.getByText('none: its own configuration counts').waitFor();
    await goTo(page, 'Topology');
    await page.locator('.node').filter({ hasText: 'to-echo' }).waitFor();
  });

  it(`with ${MANY} sessions has a few dozen rows in the page, and finds any by scrolling, sorting and filtering`, async () => {
    for (let index = 0; index < MANY; index += 100) await Promise.all(Array.from({ length: 100 }, session));
    const page = await pages.at(`${base}/ui/#sessions`);
    await page.getByText(`${MANY} sessions`).waitFor();
    const rows = page.locator('tbody tr:not(.space)');
    expect(await rows.count()).to.be.within(10, 80);
    await page.getByRole('columnheader', { name: 'Session' }).getByRole('button').click();
    const names = [...proxy.proxy.sessions()].map(({ name }) => name).sort((one, other) => one.localeCompare(other));
    await rows.first().getByText(names[0]!).waitFor();
    await page.locator('.scroll').focus();
    await page.keyboard.press('End');
    await page.getByRole('button', { name: names.at(-1)! }).waitFor();
    expect(await rows.count()).to.be.within(10, 80);
    await page.getByRole('searchbox').fill(names[500]!);
    await page.getByText(`1 of ${MANY} sessions`).waitFor();
    expect(await rows.count()).to.equal(1);
  });

  it('wants its token, and shows nothing without it', async () => {
    await proxy.close();
    proxy = await startProxy({ ...CONFIG, admin: { api: { token: 'a-secret-of-some-length' } } }, { api: true });
    base = `http://127.0.0.1:${proxy.port()}`;
    expect((await fetch(`${base}/api/v1/events`)).status).to.equal(401);
    const page = await pages.at(`${base}/`);
    expect(new URL(page.url()).pathname).to.equal('/ui/');
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await signIn(dialog, 'another-secret-of-some-length');
    await dialog.getByText('The server has refused the last token.').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('nothing to who is not signed in').waitFor();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await dialog.waitFor();
    expect(await dialog.getByText('has refused').count()).to.equal(0);
    await signIn(dialog, 'a-secret-of-some-length');
    await goTo(page, 'Configuration');
    await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
    expect(await page.getByRole('button', { name: 'Sign in' }).count()).to.equal(0);
  });

  it('asks again when its token ends, and goes on with what was written', async () => {
    const page = await pages.at(`${base}/ui/#objects`);
    await page.getByRole('button', { name: 'Edit' }).click();
    const text = page.getByLabel('Configuration (YAML or JSON)');
    await page.getByText('Valid. It changes nothing.').waitFor();
    const written = (await text.inputValue()).replace('protocol: Echo', 'protocol: Discard');
    let wanted = 'the next token';
    await page.route('**/api/v1/**', async (route) => {
      const isRight = route.request().headers()['authorization'] === `Bearer ${wanted}`;
      if (isRight) await route.continue();
      else
        await route.fulfill({
          status: 401,
          json: { status: 401, message: 'Unauthorized', content: 'expected another' },
        });
    });
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await text.fill(written);
    await signIn(dialog, wanted);
    await page.getByText('Valid. It changes 1 object.').waitFor();
    expect(await text.inputValue()).to.equal(written);
    wanted = 'the one after that';
    await page.getByRole('button', { name: 'Apply' }).click();
    await dialog.getByText('The server has refused the last token.').waitFor();
    await signIn(dialog, wanted);
    await page.getByText('Applied.').waitFor();
  });

  it('ends its streams when the proxy ends', async () => {
    const response = await fetch(`${base}/api/v1/events?topics=status,traffic&interval=200`);
    const reader = response.body!.getReader();
    await reader.read();
    const drained = proxy.proxy.drain(10_000);
    while (!(await reader.read()).done);
    await drained;
    proxy = await startProxy(CONFIG, { api: true });
  });
});
