/** A control plane's dashboard with proxies that a test makes up. */
import { servePages } from '../../common/http-pages.ts';
import { createDashboard } from '../../controlplane/dashboard/server.ts';
import type { Seat } from '../../controlplane/status/traffic-board.ts';
import { readObjects } from '../../controlplane/sources/object-file.ts';
import { ADMIN, FIRST_PAGE, type FakeProxy, object, APPLY, startRig } from './controlplane.ts';
import { silentLogger } from './doubles.ts';
import { trafficItem } from './traffic.ts';

export interface ManyProxies {
  /** As in `http://127.0.0.1:40000`. */
  readonly url: string;
  /** Each proxy's traffic goes on, and some of them refuse something, or take it again. */
  tick(): void;
  close(): Promise<void>;
}

const TYPE = 'type.googleapis.com/l7mp.config.v1.Cluster';

/** So many proxies that have `objects` clusters each. */
export async function startManyProxies(count: number, objects = 50): Promise<ManyProxies> {
  const rig = await startRig();
  const clusters = Array.from({ length: objects }, (_, index) =>
    object('Cluster', `cluster-${index}`, { spec: { protocol: 'Echo' } }),
  );
  await rig.call('Apply', { ...APPLY, ...FIRST_PAGE, objects: clusters });
  const proxies: FakeProxy[] = [];
  const seats: Seat[] = [];
  for (let index = 0; index < count; index++) {
    const id = `edge-${String(index).padStart(3, '0')}`;
    const proxy = rig.proxy(id, { site: index % 2 === 0 ? 'north' : 'south' });
    proxy.subscribe(TYPE);
    proxy.ack();
    proxies.push(proxy);
    seats.push(rig.configuration.board.join(id, () => undefined));
  }
  const service = rig.configuration.services.find(({ name }) => name === 'l7mp.admin.v1.ConfigService');
  if (service === undefined) throw new Error('there is no configuration service');
  const dashboard = createDashboard({
    service,
    board: rig.configuration.board,
    figures: rig.configuration.figures,
    readObjects,
    authenticate: () => ADMIN,
    authenticates: false,
    insecure: false,
    log: silentLogger,
  });
  const pages = await servePages(
    { host: '127.0.0.1', port: 0 },
    {
      ready: () => true,
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      others: (request, response) => dashboard.handle(request, response),
    },
  );
  let ticks = 0;
  return {
    url: `http://${pages.address}`,
    tick() {
      ticks++;
      for (const [index, proxy] of proxies.entries()) {
        if ((index + ticks) % 10 === 0) proxy.nack(TYPE, `it was refused ${ticks} times`);
        if ((index + ticks) % 10 === 5) proxy.ack();
      }
      for (const [index, seat] of seats.entries()) {
        const items = [0, 1, 2, 3, 4].flatMap((each) => {
          const sums = { opened: ticks * (index + each), bytes_in: ticks * 1000 * index, bytes_out: ticks * 500 };
          const names = { listener: `listener-${each}`, cluster: `cluster-${each}` };
          return [
            trafficItem({ type: 'listener', listener: names.listener, ...sums }),
            trafficItem({ type: 'path', ...names, rule: `rule-${each}`, route: `route-${each}`, ...sums }),
            trafficItem({ type: 'cluster', cluster: names.cluster, ...sums }),
            trafficItem({ type: 'endpoint', cluster: names.cluster, endpoint: 'e', address: '10.0.0.1', ...sums }),
          ];
        });
        seat.take({ traffic: { time: new Date().toISOString(), items, omitted: 0, faults: [] } });
      }
    },
    async close() {
      await dashboard.close();
      await pages.close();
      for (const seat of seats) seat.leave();
      for (const proxy of proxies) proxy.leave();
      await rig.close();
    },
  };
}
