import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { startBrowser } from '../../support/browser.ts';
import { type ManyProxies, startManyProxies } from '../../support/dashboard.ts';
import { until } from '../../support/until.ts';
import { goTo, Pages } from './page.ts';

const PROXIES = 200;

describe(`the dashboard of ${PROXIES} proxies, in Chromium`, function () {
  this.timeout(60_000);
  let browser: Browser;
  let many: ManyProxies;
  let timer: NodeJS.Timeout;
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
    many = await startManyProxies(PROXIES);
    timer = setInterval(() => many.tick(), 500);
  });
  after(async () => {
    clearInterval(timer);
    await browser.close();
    await many.close();
  });
  afterEach(() => pages.close());

  it('has a few dozen rows of them in the page, which change', async () => {
    const page = await pages.at(many.url);
    await goTo(page, 'Proxies');
    await page.getByText(`${PROXIES} proxies`).waitFor();
    const rows = page.locator('tbody tr:not(.space)');
    expect(await rows.count()).to.be.within(10, 80);
    await page.getByRole('searchbox').fill('NACK');
    await page.getByText(/^\d+ of 200 proxies$/u).waitFor();
    await rows.first().waitFor();
    const first = (): Promise<string | null> => rows.first().locator('th').textContent();
    const before = await first();
    await until('other proxies that refuse', async () => (await first()) !== before);
  });

  it('sums what they tell, and draws as much as there is room for', async () => {
    const page = await pages.at(many.url);
    await page.getByText(`${PROXIES} of ${PROXIES} proxies here tell of sessions`).waitFor();
    await page.locator('.rate').first().waitFor();
    expect(await page.locator('.node').count()).to.equal(5 + 5 + 5 + 5);
    await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click();
    expect(await page.locator('tbody tr:not(.space)').count()).to.be.within(5, 80);
  });
});
