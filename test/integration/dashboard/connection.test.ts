/** What the page makes of streams of events that go wrong: the server here is a test's. */
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { webFile } from '../../../common/web/files.ts';
import { startBrowser } from '../../support/browser.ts';
import { until } from '../../support/until.ts';
import { Pages } from './page.ts';

const WHO = { server: 'proxy', version: '1', admin: true, identity: '', topics: [] };
const READY = { put: [['proxy', { version: '1', ready: true, sessions: 7, offload: 'off' }]], gone: [], omitted: 0 };

describe("the page's connection, in Chromium", function () {
  this.timeout(60_000);
  let browser: Browser;
  let server: Server;
  let page: Page;
  const streams: ServerResponse[] = [];
  /** What was asked for by each stream. */
  const asked: URLSearchParams[] = [];
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    server = createServer(({ url = '' }, response) => {
      const file = webFile(/^\/ui\/(.*)$/u.exec(url)?.[1] ?? 'none');
      if (file) response.writeHead(200, file.headers).end(file.body);
      else if (url === '/api/v1/dashboard') response.end(JSON.stringify(WHO));
      else {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        streams.push(response);
        asked.push(new URL(url, 'http://server').searchParams);
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    page = await pages.at(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ui/#topology`);
    await page.clock.install();
    await page.getByRole('link', { name: 'Proxies' }).click();
    await until('the stream of the view', () => streams.length === 2);
  });
  afterEach(async () => {
    await pages.close();
    streams.length = 0;
    asked.length = 0;
    server.closeAllConnections();
    server.close();
  });

  const say = (event: string, data: object): void => {
    streams.at(-1)?.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };

  it('is made again for a topic that has failed, though the stream goes on', async () => {
    say('failure', { topic: 'status', message: 'the store is away' });
    await page.getByText('not live: the store is away').waitFor();
    await page.clock.fastForward(10_000);
    await page.clock.fastForward(1000);
    await until('the next stream', () => streams.length === 3);
    say('status', { ...READY, first: true });
    await page.getByText('ready', { exact: true }).waitFor();
  });

  it('is made again where the server says nothing for long', async () => {
    say('status', { ...READY, first: true });
    await page.getByText('ready', { exact: true }).waitFor();
    await page.clock.fastForward(45_000);
    await page.getByText('not live: the server says nothing').waitFor();
    await page.clock.fastForward(1000);
    await until('the next stream', () => streams.length === 3);
  });

  it('asks for what is filtered, for all again, and for nothing more when the view is left', async () => {
    await page.getByRole('link', { name: 'Sessions' }).click();
    await until('the stream of sessions', () => streams.length === 3);
    const search = page.getByRole('searchbox');
    for (const text of ['edge', '']) {
      await search.fill(text);
      await page.clock.fastForward(300);
      await until('the next stream', () => asked.at(-1)?.get('search') === text);
    }
    expect(streams).to.have.lengthOf(5);
    await search.fill('late');
    await page.getByRole('link', { name: 'Proxies' }).click();
    await until('the stream of the other view', () => asked.at(-1)?.get('topics') === 'status');
    await page.clock.fastForward(1000);
    await page.evaluate("void fetch('/api/v1/events?topics=mark')");
    await until('what was asked last', () => asked.at(-1)?.get('topics') === 'mark');
    expect(asked.map((each) => each.get('search'))).to.not.include('late');
  });
});
