/** Chromium, without a screen, that asks nobody but the servers of the test. */
import { existsSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

export async function startBrowser(): Promise<Browser> {
  if (!existsSync(EXECUTABLE)) throw new Error(`expected ${EXECUTABLE}: scripts/setup-tests.sh installs it`);
  return await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS, headless: true });
}

/** A page, and what it did that it should not. */
export interface Watched {
  readonly page: Page;
  /** Errors of scripts and of the content security policy, as the console has them. */
  readonly errors: string[];
  /** Requests to other servers than that of the page. */
  readonly strangers: string[];
}

/** Opens a page of its own context at an address. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  const strangers: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  const own = new URL(url).host;
  page.on('request', (request) => {
    if (new URL(request.url()).host !== own) strangers.push(request.url());
  });
  await page.goto(url);
  return { page, errors, strangers };
}

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What axe finds that is serious or worse, each with where. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Not by a script element: the page's policy forbids those.
  await page.evaluate(source);
  const found = await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => ({ html })) })))`,
  );
  return (found as readonly Violation[])
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
}
