/** What tests of the page share: a page that must do nothing wrong, and pictures of it for the docs. */
import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { openPage, type Watched } from '../../support/browser.ts';

/** Where pictures go: `L7MP_SCREENSHOTS=docs/images`. Nowhere when absent. */
const PICTURES = process.env['L7MP_SCREENSHOTS'];

/** What the server refuses, as a text that is wrong, Chromium logs as well; and that a server that was killed is not there. */
const REFUSED =
  /^Failed to load resource: .*(?:status of 4\d\d|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING)/u;

/** Pages of one test, which did nothing that they should not. */
export class Pages {
  private readonly open: Watched[] = [];
  private readonly browser: () => Browser;

  constructor(browser: () => Browser) {
    this.browser = browser;
  }

  async at(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const watched = await openPage(this.browser(), url, options);
    this.open.push(watched);
    return watched.page;
  }

  /** @throws AssertionError where one asked somebody else, or had an error of a script or of its policy. */
  async close(): Promise<void> {
    const all = this.open.splice(0);
    for (const { page } of all) await page.context().close();
    for (const { errors, strangers } of all) {
      expect(strangers, 'requests to others').to.deep.equal([]);
      const wrong = errors.filter((text) => !REFUSED.test(text));
      expect(wrong, 'errors in the console').to.deep.equal([]);
    }
  }
}

/** Goes to a view by its tab. */
export async function goTo(page: Page, title: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name: title }).click();
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
}

/** The texts of a table's row that has this text, by its columns; empty where there is none. */
export async function rowOf(page: Page, table: string, text: string): Promise<Record<string, string>> {
  const rows = page.getByRole('table', { name: table }).getByRole('row');
  const titles = await rows.first().locator('th').allTextContents();
  const cells = await rows.filter({ hasText: text }).locator('th, td').allTextContents();
  return Object.fromEntries(cells.map((cell, index) => [titles[index] ?? '', cell]));
}

/** What is told beside its names, as in `State` and `CONNECTED`; in a panel where one is open. */
export async function factsOf(within: Page | Locator): Promise<Record<string, string>> {
  const facts = within.locator('dl.facts').first();
  const values = await facts.locator('dd').allTextContents();
  return Object.fromEntries(
    (await facts.locator('dt').allTextContents()).map((name, index) => [name, values[index] ?? '']),
  );
}

export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/dashboard-${name}.png` });
}
