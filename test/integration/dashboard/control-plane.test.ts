import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Browser } from 'playwright-core';
import { seriousFindings, startBrowser } from '../../support/browser.ts';
import { freePort } from '../../support/free-port.ts';
import { ControlPlaneProcess, LoggingProcess } from '../../support/control-plane-process.ts';
import { until } from '../../support/until.ts';
import { goTo, Pages, picture } from './page.ts';

const VIEWS = ['Topology', 'Proxies', 'Sessions', 'Kernel', 'Configuration', 'History', 'Faults'];

describe('the dashboard of a control plane, in Chromium', function () {
  this.timeout(60_000);
  let browser: Browser;
  let controlPlane: ControlPlaneProcess;
  let proxy: LoggingProcess;
  let api: string;
  let upstream: Server;
  const sockets = new Set<Socket>();
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
    upstream = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    const { port } = upstream.address() as AddressInfo;
    controlPlane = await ControlPlaneProcess.start();
    const file = controlPlane.file('shop.yaml', configuration(port));
    expect((await controlPlane.l7mp('apply', '-f', file, '-m', 'opens the shop')).stderr).to.equal('');
    const own = controlPlane.file('own.yaml', 'admin: { api: { port: 0 } }');
    const args = ['--controlplane', controlPlane.address, '--id', 'edge-1', '--labels', 'site=north'];
    proxy = new LoggingProcess(['proxy', '-c', own, ...args]);
    await proxy.logged('connected to the control plane');
    await controlPlane.proxy('edge-2', '--labels', 'site=south');
    const { api: address } = await Promise.any([proxy.logged('ready'), proxy.logged('waiting for the control plane')]);
    api = `http://${address as string}`;
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await browser.close();
    await proxy.stop();
    await controlPlane.stop();
    await new Promise((resolve) => upstream.close(resolve));
  });
  afterEach(() => pages.close());

  /** Where a listener of edge-1 listens. */
  async function portOf(listener: string): Promise<number> {
    const bound = await until(`the listener ${listener}`, async () => {
      const response = await fetch(`${api}/api/v1/listeners/${listener}`);
      return response.ok ? ((await response.json()) as { bound?: string }).bound : undefined;
    });
    return Number(bound.slice(bound.lastIndexOf(':') + 1));
  }

  /** A session of edge-1 that has moved something. */
  async function session(listener = 'web'): Promise<Socket> {
    const socket = connect(await portOf(listener), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('hello');
    await once(socket, 'data');
    return socket;
  }

  /** Traffic until it is ended: new sessions that move something, and some that fail. */
  async function traffic(): Promise<() => void> {
    const [web, lost] = [await portOf('web'), await portOf('lost')];
    const timer = setInterval(() => {
      const socket = connect(web, '127.0.0.1', () => socket.end('x'.repeat(2000)));
      socket.on('error', () => undefined).resume();
      connect(lost, '127.0.0.1')
        .on('error', () => undefined)
        .resume();
    }, 100);
    return () => clearInterval(timer);
  }

  it('shows proxies, with what is wrong in them', async () => {
    const page = await pages.at(`${controlPlane.http}/`);
    await goTo(page, 'Proxies');
    await page.getByRole('status').filter({ hasText: '2 proxies' }).waitFor();
    const row = page.getByRole('row', { name: /edge-1/u });
    await row.getByText('failed').waitFor();
    expect(await row.textContent())
      .to.include('site=north')
      .and.to.include('l7mp/');
    await picture(page, 'proxies');
    await row.getByRole('button').click();
    const panel = page.getByRole('dialog', { name: 'edge-1' });
    await panel.getByText('Listener/broken').waitFor();
    await panel.getByText(/ADDRESS_NOT_AVAILABLE/u).waitFor();
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'hidden' });
    await page.getByRole('searchbox').fill('south');
    await page.getByRole('status').filter({ hasText: '1 of 2 proxies' }).waitFor();
    expect(await page.locator('tbody tr:not(.space)').count()).to.equal(1);
  });

  it('shows what passes between listeners, clusters and endpoints, now', async () => {
    const stop = await traffic();
    try {
      const page = await pages.at(controlPlane.http);
      await page.getByText(/2 of 2 proxies here tell of sessions: .* [1-9][\d.]*\/s new/u).waitFor();
      await page.locator('.rate').first().waitFor();
      await page.locator('.column2.failing').filter({ hasText: 'dead' }).waitFor();
      await picture(page, 'topology');
      const table = page.getByRole('table', { name: 'Traffic' });
      const shop = table.getByRole('row').filter({ hasText: /^shopcluster/u });
      await until('connects that take time', async () => ((await shop.textContent()) ?? '').includes(' ms'));
      await page.locator('.node').filter({ hasText: 'lost' }).first().click();
      await until(
        'its ways alone',
        async () => !(await page.locator('.node').allTextContents()).some((each) => each.startsWith('shop')),
      );
      await page.getByRole('button', { name: 'Show all' }).click();
      await page.locator('.node').filter({ hasText: 'shop' }).first().waitFor();
    } finally {
      stop();
    }
  });

  it('shows sessions of a proxy with what became of them, and ends one', async () => {
    const socket = await session();
    const { localPort } = socket;
    const page = await pages.at(controlPlane.http);
    await goTo(page, 'Sessions');
    await page.getByLabel('Proxy').selectOption('edge-1');
    const name = new RegExp(`TCP:127\\.0\\.0\\.1:${localPort}-`, 'u');
    await page.getByRole('button', { name }).click();
    const panel = page.getByRole('dialog', { name });
    await panel.getByText('LOOKUP SUCCESS').waitFor();
    await panel.getByText(/all, the first of .* that matches; it names route to-shop/u).waitFor();
    expect(await panel.textContent()).to.match(/From the client5 B in 1 chunks/u);
    await picture(page, 'session');
    const closed = once(socket, 'close');
    await panel.getByRole('button', { name: 'End this session' }).click();
    await page.getByRole('dialog', { name: 'End this session?' }).getByRole('button', { name: 'End it' }).click();
    await closed;
    const audit = await controlPlane.process.logged('a session was ended');
    expect(audit).to.include({ audit: true, identity: 'loopback', proxy: 'edge-1' });
  });

  it('checks a text as it is typed, shows what it changes, applies it, and goes back', async () => {
    const page = await pages.at(controlPlane.http);
    await goTo(page, 'Configuration');
    await page.getByRole('button', { name: 'Cluster/edited' }).click();
    const text = page.getByLabel('Configuration (YAML or JSON)');
    const before = await text.inputValue();
    const apply = page.getByRole('button', { name: 'Apply' });
    await page.getByText('Valid. It changes nothing.').waitFor();
    expect(await apply.isDisabled()).to.equal(true);

    await text.fill(before.replace('weight: 2', 'weight: two'));
    const fault = page.getByRole('button', { name: /line \d+: clusters\[0\]\.endpoints\[0\]\.weight: expected/u });
    await fault.waitFor();
    expect(await page.locator('.numbers .wrong').count()).to.equal(1);
    expect(await text.getAttribute('aria-invalid')).to.equal('true');
    await picture(page, 'editor');
    await fault.click();
    expect(await page.evaluate('getSelection().toString()')).to.include('weight: two');

    await text.fill(before.replace('weight: 2', 'weight: 7'));
    await page.getByText('Valid. It changes 1 object.').waitFor();
    expect(await page.locator('.diff .added').textContent()).to.include('weight: 7');
    expect(await page.locator('.diff .removed').textContent()).to.include('weight: 2');
    await page.getByPlaceholder('Why (for the history)').fill('seven is better');
    await apply.click();
    await page.getByText(/^Applied as version \d+\.$/u).waitFor();
    const weight = (value: number) =>
      until(`the weight ${value}`, async () => {
        const cluster = (await (await fetch(`${api}/api/v1/clusters/edited`)).json()) as {
          endpoints: { weight: number }[];
        };
        return cluster.endpoints[0]?.weight === value;
      });
    await weight(7);
    await page.keyboard.press('Escape');

    await goTo(page, 'History');
    const entry = page.getByRole('listitem').filter({ hasText: 'seven is better' });
    await entry.getByText(/^loopback, .* ago, 1 object$/u).waitFor();
    await picture(page, 'history');
    await page.getByRole('listitem').filter({ hasText: 'opens the shop' }).getByRole('button').click();
    await page.getByRole('button', { name: 'Go back to this version' }).click();
    const ask = page.getByRole('dialog', { name: /^Go back to what was after version/u });
    await ask.getByText('Cluster/edited').waitFor();
    await ask.getByRole('button', { name: 'Go back' }).click();
    await weight(2);
    await page
      .getByRole('listitem')
      .filter({ hasText: /back to version/u })
      .first()
      .waitFor();
  });

  it('makes and deletes objects, and tells what would be left without', async () => {
    const page = await pages.at(`${controlPlane.http}/ui/#objects`);
    await page.getByRole('button', { name: 'New' }).click();
    await page.getByText(/It changes/u).waitFor();
    const text = `listeners:\n  - name: made\n    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }\n    rules: [{ action: { route: { destination: made } } }]\nclusters:\n  - { name: made, spec: { protocol: Echo } }\n`;
    await page.getByLabel('Configuration (YAML or JSON)').fill(text);
    // The example changes as many.
    await page.getByText('Listener/made').waitFor();
    await page.keyboard.press('Control+Enter');
    await page.getByText(/^Applied as version/u).waitFor();
    await page.keyboard.press('Escape');
    await portOf('made');
    await page
      .getByRole('row', { name: /Listener\/made/u })
      .getByText('Serving')
      .waitFor();
    await page.getByRole('button', { name: 'Cluster/made' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    const ask = page.getByRole('dialog', { name: 'Delete Cluster made?' });
    await ask.getByText('Listener/made').waitFor();
    await ask.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Cluster/made' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Listener/made' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog', { name: 'Delete Listener made?' }).getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Listener/made' }).waitFor({ state: 'detached' });
  });

  it('has addresses of proxies, sessions and versions', async () => {
    const socket = await session();
    const name = new RegExp(`TCP:127\\.0\\.0\\.1:${socket.localPort}-`, 'u');
    const page = await pages.at(`${controlPlane.http}/ui/#proxies?open=edge-1`);
    const panel = page.getByRole('dialog', { name: 'edge-1' });
    await panel.getByText('Listener/broken').waitFor();
    await panel.getByRole('link', { name: 'Its sessions' }).click();
    await page.getByRole('button', { name }).click();
    await page.getByRole('dialog', { name }).getByText('LOOKUP SUCCESS').waitFor();
    await page.reload();
    await page.getByRole('dialog', { name }).getByText('LOOKUP SUCCESS').waitFor();
    await page.goBack();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.goBack();
    await panel.waitFor();
    await page.goto(`${controlPlane.http}/ui/#history?open=1`);
    await page.getByRole('dialog', { name: 'Version 1' }).getByText('opens the shop').waitFor();
    socket.destroy();
  });

  it('lists what is wrong, of objects and of sessions', async () => {
    const page = await pages.at(`${controlPlane.http}/ui/#faults`);
    await page
      .getByRole('row')
      .filter({ hasText: 'Listener/broken' })
      .filter({ hasText: 'edge-1' })
      .getByText('failed')
      .waitFor();
    connect(await portOf('lost'), '127.0.0.1')
      .on('error', () => undefined)
      .resume();
    await page
      .getByRole('row')
      .filter({ hasText: 'CONNECT_REFUSED' })
      .filter({ hasText: 'edge-1 → lost → dead' })
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Listener/broken' }).first().press('Enter');
    await page.getByRole('dialog', { name: 'Listener broken' }).getByText('edge-1').waitFor();
    await page.goBack();
    await page.getByRole('row').filter({ hasText: 'CONNECT_REFUSED' }).first().getByRole('button').click();
    await page.getByRole('dialog', { name: /^TCP:/u }).waitFor();
    expect(page.url()).to.match(/#sessions\?proxy=edge-1&open=TCP/u);
  });

  for (const [name, short, options] of [
    ['in light colours', '', { colorScheme: 'light' }],
    ['in dark colours', 'dark', { colorScheme: 'dark' }],
    ['on a phone', 'phone', { colorScheme: 'light', viewport: { width: 390, height: 800 } }],
  ] as const) {
    it(`is accessible and fits ${name}`, async () => {
      const socket = await session();
      const page = await pages.at(controlPlane.http, options);
      for (const view of VIEWS) {
        await goTo(page, view);
        await page.locator('#link.live').waitFor();
        if (view === 'Configuration') await page.getByRole('button', { name: 'Cluster/dead' }).waitFor();
        expect(await seriousFindings(page), view).to.deep.equal([]);
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        expect(overflow, `${view} is wider than the window`).to.be.at.most(0);
        if (view === 'Topology' && short !== '') await picture(page, `topology-${short}`);
      }
      await goTo(page, 'Configuration');
      await page.getByRole('button', { name: 'Cluster/dead' }).click();
      await page.getByText('Valid. It changes nothing.').waitFor();
      expect(await seriousFindings(page), 'the editor').to.deep.equal([]);
      socket.destroy();
    });
  }

  it('has the colours of the system, or those that are chosen, for good', async () => {
    const page = await pages.at(controlPlane.http, { colorScheme: 'dark' });
    const background = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await background();
    await page.getByRole('button', { name: 'Colours: system' }).click();
    await page.getByRole('button', { name: 'Colours: light' }).waitFor();
    expect(await background()).to.not.equal(dark);
    await page.reload();
    await page.getByRole('button', { name: 'Colours: light' }).click();
    expect(await background()).to.equal(dark);
  });

  it('is used by keys alone', async () => {
    const page = await pages.at(controlPlane.http);
    await page.locator('#link.live').waitFor();
    const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent');
    await page.keyboard.press('Tab');
    expect(await focused()).to.equal('Skip to the content');
    for (let presses = 0; (await focused()) !== 'Configuration'; presses++) {
      if (presses > 20) throw new Error('expected the tab of the configuration within 20 presses of Tab');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Cluster/dead' }).waitFor();
    for (let presses = 0; (await focused()) !== 'Cluster/dead'; presses++) {
      if (presses > 40) throw new Error('expected the first object within 40 presses of Tab');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('ArrowDown');
    expect(await focused()).to.equal('Cluster/echo');
    await page.keyboard.press('End');
    expect(await focused()).to.equal('Listener/web');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Listener web' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await focused(), 'it goes back to where it was').to.equal('Listener/web');
  });

  it('keeps the focus in what is open while other proxies come', async () => {
    const page = await pages.at(`${controlPlane.http}/ui/#proxies?open=edge-1`);
    const panel = page.getByRole('dialog', { name: 'edge-1' });
    await panel.getByRole('link', { name: 'Its topology' }).focus();
    const other = await controlPlane.proxy('edge-3');
    try {
      await page.locator('.total').filter({ hasText: '3 proxies' }).waitFor();
      expect(await page.evaluate('document.activeElement.textContent')).to.equal('Its topology');
    } finally {
      await other.stop();
    }
  });

  it('follows on by itself when the control plane was away', async () => {
    const http = ['--http', `127.0.0.1:${await freePort()}`];
    const other = await ControlPlaneProcess.start(...http);
    try {
      const file = other.file('echo.yaml', 'clusters: [{ name: one, spec: { protocol: Echo } }]');
      await other.l7mp('apply', '-f', file);
      const page = await pages.at(`${other.http}/ui/#objects`);
      await page.getByRole('button', { name: 'Cluster/one' }).waitFor();
      await other.process.stop();
      await page.locator('#link.lost').waitFor();
      expect(await page.getByRole('button', { name: 'Cluster/one' }).count(), 'what was there is kept').to.equal(1);
      await other.restart(...http);
      await page.locator('#link.live').waitFor();
      await other.l7mp('apply', '-f', other.file('two.yaml', 'clusters: [{ name: two, spec: { protocol: Echo } }]'));
      await page.getByRole('button', { name: 'Cluster/two' }).waitFor();
      await page.context().close();
    } finally {
      await other.stop();
    }
  });

  it('asks for a token where there are some, and off this machine for TLS', async () => {
    const tokens = controlPlane.file('tokens.yaml', '- { name: ci, token: a-token-of-some-length, roles: [reader] }');
    const other = await ControlPlaneProcess.start('--tokens', tokens);
    try {
      const page = await pages.at(other.http);
      const dialog = page.getByRole('dialog', { name: 'Sign in' });
      await dialog.getByLabel('Bearer token').fill('another-token-of-some-length');
      await dialog.getByRole('button').click();
      await page.getByText('found another').waitFor();
      await dialog.getByText('The server has refused the last token.').waitFor();
      await dialog.getByLabel('Bearer token').fill('a-token-of-some-length');
      await dialog.getByRole('button').click();
      await page.getByText('control plane 0.1.0, token:ci').waitFor();
      expect(await page.getByRole('navigation').getByRole('link').allTextContents()).to.not.include('Sessions');
      await goTo(page, 'Configuration');
      expect(await page.getByRole('button', { name: 'New' }).count(), 'a reader changes nothing').to.equal(0);
      await pages.close();
    } finally {
      await other.stop();
    }
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal);
    if (outside === undefined) return;
    for (const [args, expected] of [
      [[], /with --tokens or --tls-client-ca only/u],
      [['--tokens', tokens], /over TLS only \(--http-tls\)/u],
    ] as const) {
      const open = await ControlPlaneProcess.start(...args, '--http', '0.0.0.0:0');
      try {
        const response = await fetch(`${open.http.replace('0.0.0.0', outside.address)}/ui/`);
        expect(response.status).to.equal(403);
        expect(await response.text()).to.match(expected);
      } finally {
        await open.stop();
      }
    }
  });
});

function configuration(port: number): string {
  return `
listeners:
  - name: web
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ name: all, action: { route: { name: to-shop, destination: shop } } }]
  - name: lost
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ name: lost, action: { route: { name: to-dead, destination: dead } } }]
  - name: broken
    spec: { protocol: TCP, address: 192.0.2.1, port: 80 }
    rules: [{ name: broken, action: { route: { name: to-echo, destination: echo } } }]
clusters:
  - { name: shop, spec: { protocol: TCP, port: ${port} }, endpoints: [127.0.0.1] }
  - { name: dead, spec: { protocol: TCP, port: 1 }, endpoints: [127.0.0.1] }
  - { name: echo, spec: { protocol: Echo } }
  - { name: edited, spec: { protocol: TCP, port: 9 }, endpoints: [{ name: e, spec: { address: 127.0.0.1 }, weight: 2 }] }
`;
}
