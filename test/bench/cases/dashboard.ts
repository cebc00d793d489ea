/** How smooth the dashboard stays, in Chromium: frames while 1,000 sessions move, and while 200 proxies do. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Browser } from 'playwright-core';
import { startBrowser } from '../../support/browser.ts';
import { startManyProxies } from '../../support/dashboard.ts';
import { startProxy } from '../../support/proxy.ts';
import type { Benchmark } from '../measurement.ts';

/** 20 frames a second: below that what moves is seen to stop. */
const BAR = { of: 'value', atMost: 50 } as const;

export const dashboard: Benchmark = {
  name: 'dashboard',
  kind: 'dashboard',
  repeats: 1,
  metrics: [
    { name: 'dashboard-sessions-frame-p95', unit: 'ms', bar: BAR },
    { name: 'dashboard-proxies-frame-p95', unit: 'ms', bar: BAR },
    { name: 'dashboard-topology-frame-p95', unit: 'ms', bar: BAR },
  ],
  async measure({ quick, durationMs }) {
    const browser = await startBrowser();
    try {
      const ms = quick ? durationMs : 10_000;
      const proxies = await measureProxies(browser, quick ? 20 : 200, ms);
      return { 'dashboard-sessions-frame-p95': await measureSessions(browser, quick ? 100 : 1000, ms), ...proxies };
    } finally {
      await browser.close();
    }
  },
};

/** The time between two frames that 95 % stay below, in ms, while the table is scrolled. */
async function framesAt(browser: Browser, url: string, ready: string, ms: number): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(url);
    await page.locator(ready).first().waitFor();
    return await page.evaluate<number>(`new Promise((resolve) => {
      const frames = [];
      const scroller = document.querySelector('.scroll');
      const start = performance.now();
      let before = start;
      const step = (now) => {
        frames.push(now - before);
        before = now;
        scroller.scrollTop = (scroller.scrollTop + 12) % Math.max(1, scroller.scrollHeight - scroller.clientHeight);
        if (now - start < ${ms}) requestAnimationFrame(step);
        else resolve(frames.sort((one, other) => one - other)[Math.floor(frames.length * 0.95)]);
      };
      requestAnimationFrame(step);
    })`);
  } finally {
    await page.close();
  }
}

async function measureProxies(browser: Browser, count: number, ms: number): Promise<Record<string, number>> {
  const many = await startManyProxies(count);
  const timer = setInterval(() => many.tick(), 500);
  try {
    const row = 'tbody tr:not(.space)';
    return {
      'dashboard-proxies-frame-p95': await framesAt(browser, `${many.url}/ui/#proxies`, row, ms),
      'dashboard-topology-frame-p95': await framesAt(browser, `${many.url}/ui/#topology`, row, ms),
    };
  } finally {
    clearInterval(timer);
    await many.close();
  }
}

async function measureSessions(browser: Browser, count: number, ms: number): Promise<number> {
  const rules = [{ action: { route: { destination: 'echo' } } }];
  const listener = { name: 'in', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules };
  const proxy = await startProxy(
    { listeners: [listener], clusters: [{ name: 'echo', spec: { protocol: 'Echo' } }] },
    { api: true },
  );
  const sockets: Socket[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    while (sockets.length < count) {
      const socket = connect(proxy.port('in'), '127.0.0.1');
      socket.on('error', () => undefined).resume();
      await once(socket, 'connect');
      sockets.push(socket);
    }
    timer = setInterval(() => {
      for (const socket of sockets) socket.write('x'.repeat(100));
    }, 500);
    return await framesAt(browser, `http://127.0.0.1:${proxy.port()}/ui/#sessions`, 'tbody tr:not(.space)', ms);
  } finally {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
    await proxy.close();
  }
}
