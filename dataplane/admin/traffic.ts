/** What moves now: in all, by listener, and by cluster. */
import type { Plain } from '../../common/address.ts';
import type { OffloadStatus } from '../core/offload.ts';
import { addTraffic, NO_TRAFFIC } from '../core/traffic.ts';
import { type Context, show } from './context.ts';
import type { Route } from './router.ts';
import { type Moving, TrafficWindow } from './traffic-window.ts';
import { rateView } from './views.ts';

export function trafficRoutes({ totals, offload }: Context): Route[] {
  const window = new TrafficWindow(totals);
  const methods: Route['methods'] = { GET: async (call) => show(call, await trafficView(window, offload)) };
  return [{ path: '/api/v1/traffic', methods }];
}

async function trafficView(window: TrafficWindow, offload: () => OffloadStatus | undefined): Promise<Plain> {
  const { listeners, clusters } = await window.look();
  const all = { name: '', sessions: 0, ingress: NO_TRAFFIC, egress: NO_TRAFFIC };
  for (const { sessions, ingress, egress } of listeners) {
    all.sessions += sessions;
    all.ingress = addTraffic(all.ingress, ingress);
    all.egress = addTraffic(all.egress, egress);
  }
  const { engine, connections } = offload() ?? {};
  const kernel = (engine?.flows ?? 0) + (connections?.engine?.flows ?? 0);
  return { ...sumView(all), kernel, listeners: listView(listeners), clusters: listView(clusters) };
}

function sumView({ sessions, ingress, egress }: Moving): { sessions: number; rates: Plain } {
  return { sessions, rates: { ingress: rateView(ingress), egress: rateView(egress) } };
}

function listView(sums: readonly Moving[]): Plain[] {
  return sums.map((sum) => ({ name: sum.name, ...sumView(sum) }));
}
