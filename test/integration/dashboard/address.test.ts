/** What the page's address says, and what links, reload, back and forward make of it. */
import { expect } from 'chai';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Browser, Locator, Page } from 'playwright-core';
import { startBrowser } from '../../support/browser.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';
import { goTo, Pages } from './page.ts';

const CONFIG = {
  listeners: [
    {
      name: 'web',
      spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 },
      rules: [{ name: 'all', action: { route: { name: 'to-echo', destination: 'echo' } } }],
    },
  ],
  clusters: [{ name: 'echo', spec: { protocol: 'Echo' } }],
};

describe("the page's address, in Chromium", function () {
  this.timeout(60_000);
  let browser: Browser;
  let proxy: TestProxy;
  let base: string;
  let socket: Socket;
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    proxy = await startProxy(CONFIG, { api: true });
    base = `http://127.0.0.1:${proxy.port()}/ui/`;
    socket = connect(proxy.port('web'), '127.0.0.1');
    socket.write('hello');
    await once(socket, 'data');
  });
  afterEach(async () => {
    await pages.close();
    socket.destroy();
    await proxy.close();
  });

  const hash = (page: Page): string => decodeURIComponent(new URL(page.url()).hash);
  const at = (page: Page, expected: string): Promise<unknown> =>
    until(`the address ${expected}`, () => hash(page) === expected);
  const dialogs = (page: Page): Promise<number> => page.getByRole('dialog').count();

  it('has the object that is open, which a reload keeps, and which back and forward close and open', async () => {
    const page = await pages.at(base);
    const panel = page.getByRole('dialog', { name: 'Cluster echo' });
    await goTo(page, 'Configuration');
    await page.getByRole('button', { name: 'Cluster/echo' }).click();
    await panel.waitFor();
    await at(page, '#objects?open=Cluster/echo');
    expect(await page.title()).to.equal('Cluster/echo · Configuration · l7mp');
    await page.reload();
    await panel.waitFor();
    await page.goBack();
    await panel.waitFor({ state: 'detached' });
    await at(page, '#objects');
    await page.goForward();
    await panel.waitFor();
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await at(page, '#objects');
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Topology' }).waitFor();
    await page.goForward();
    await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
    expect(await dialogs(page)).to.equal(0);
  });

  it('can be given to others: what it names is open, and closes to its view', async () => {
    const [{ name } = { name: '' }] = [...proxy.proxy.sessions()];
    const page = await pages.at(`${base}#sessions?open=${encodeURIComponent(name)}`);
    const panel = page.getByRole('dialog', { name });
    await panel.getByText('CONNECT', { exact: true }).waitFor();
    await panel.getByRole('button', { name: 'Close' }).click();
    await at(page, '#sessions');
    await page.getByRole('button', { name }).waitFor();
    expect(await dialogs(page)).to.equal(0);
    expect(await page.evaluate('history.length'), 'nothing is gone back to that is not of the page').to.equal(2);
  });

  it('may name what is not there', async () => {
    const page = await pages.at(`${base}#objects?open=Cluster/nobody`);
    await page.getByRole('dialog').getByText('There is no such object.').waitFor();
    await page.keyboard.press('Escape');
    await at(page, '#objects');
  });

  it('has what is filtered and chosen, and a tab shows all again', async () => {
    const page = await pages.at(`${base}#objects`);
    await page.getByRole('searchbox').fill('listener');
    await at(page, '#objects?search=listener');
    await page.getByRole('button', { name: 'Listener/web' }).click();
    await at(page, '#objects?search=listener&open=Listener/web');
    await page.reload();
    await page.getByRole('dialog', { name: 'Listener web' }).waitFor();
    await page.keyboard.press('Escape');
    await page
      .getByRole('status')
      .filter({ hasText: /^1 of \d+ objects$/u })
      .waitFor();
    expect(await page.getByRole('searchbox').inputValue()).to.equal('listener');
    await goTo(page, 'Configuration');
    await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
    await goTo(page, 'Topology');
    await page.locator('.node').filter({ hasText: 'to-echo' }).click();
    await page.getByRole('button', { name: 'Show all' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Show all' }).click();
    await at(page, '#topology');
  });

  it('is the same when one skips to the content', async () => {
    const page = await pages.at(`${base}#objects`);
    await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).to.equal('content');
    await at(page, '#objects');
  });

  describe('with a text that is not applied', () => {
    let page: Page;
    let question: Locator;
    let text: Locator;

    beforeEach(async () => {
      page = await pages.at(base);
      question = page.getByRole('dialog', { name: 'Discard what is not applied?' });
      text = page.getByLabel('Configuration (YAML or JSON)');
      await goTo(page, 'Configuration');
      await page.getByRole('button', { name: 'Edit' }).click();
      await page.getByText('Valid. It changes nothing.').waitFor();
    });

    it('going back asks first, and goes where it was meant to', async () => {
      await text.fill('# mine');
      for (const answer of ['Cancel', 'Escape']) {
        await page.goBack();
        await question.waitFor();
        await at(page, '#objects?open=editor');
        if (answer === 'Escape') await page.keyboard.press('Escape');
        else await question.getByRole('button', { name: answer }).click();
        await question.waitFor({ state: 'detached' });
        expect(await text.inputValue()).to.equal('# mine');
      }
      await page.evaluate('history.go(-2)');
      await question.getByRole('button', { name: 'Discard' }).click();
      await page.getByRole('heading', { level: 1, name: 'Topology' }).waitFor();
      expect(await dialogs(page)).to.equal(0);
      await page.goForward();
      await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
    });

    it('an address that is typed asks first, too', async () => {
      await text.fill('# mine');
      await page.evaluate("location.hash = '#faults'");
      await question.waitFor();
      await at(page, '#objects?open=editor');
      await question.getByRole('button', { name: 'Discard' }).click();
      await page.getByRole('heading', { level: 1, name: 'Faults' }).waitFor();
      await page.goBack();
      await page.getByText('Valid. It changes nothing.').waitFor();
    });

    it('the browser asks before the page is left, and only then', async () => {
      const asked: string[] = [];
      page.on('dialog', (dialog) => {
        asked.push(dialog.type());
        void dialog.accept();
      });
      await text.press('End');
      await page.reload();
      await page.getByText('Valid. It changes nothing.').waitFor();
      expect(asked).to.deep.equal([]);
      await text.press('x');
      await page.reload();
      await page.getByText('Valid. It changes nothing.').waitFor();
      expect(asked).to.deep.equal(['beforeunload']);
    });
  });

  it('works where the browser keeps nothing for it', async () => {
    const page = await pages.at(base);
    const blocked = (name: string): string =>
      `Object.defineProperty(window, '${name}', { get() { throw new DOMException('blocked', 'SecurityError'); } });`;
    await page.addInitScript(`${blocked('localStorage')}${blocked('sessionStorage')}`);
    await page.reload();
    await page.getByRole('button', { name: 'Colours: system' }).click();
    await page.getByRole('button', { name: 'Colours: light' }).waitFor();
    await goTo(page, 'Configuration');
    await page.getByRole('button', { name: 'Cluster/echo' }).waitFor();
  });
});
