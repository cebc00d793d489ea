/** The inventory of protocols: each is loaded when a configuration first names it. */
import type { AnyProtocol } from '../core/protocol.ts';

export const protocols: Readonly<Record<string, () => Promise<{ readonly protocol: AnyProtocol }>>> = {
  Discard: () => import('./discard/index.ts'),
  Echo: () => import('./echo/index.ts'),
  HTTP: () => import('./http/index.ts'),
  JSONDecap: () => import('./json-decap/index.ts'),
  JSONEncap: () => import('./json-encap/index.ts'),
  JSONSocket: () => import('./json-socket/index.ts'),
  L7mpController: () => import('./l7mp-controller/index.ts'),
  Logger: () => import('./logger/index.ts'),
  Metric: () => import('./metric/index.ts'),
  Prometheus: () => import('./prometheus/index.ts'),
  Sync: () => import('./sync/index.ts'),
  TCP: () => import('./tcp/index.ts'),
  UDP: () => import('./udp/index.ts'),
};
