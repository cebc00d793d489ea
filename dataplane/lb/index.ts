/** The inventory of load-balancing policies. */
import type { LoadBalancer as Config } from '../../gen/l7mp/config/v1/types.ts';
import type { LoadBalancer } from '../core/load-balancer.ts';
import { createHashRing } from './hash-ring.ts';
import { keyOf } from './key.ts';
import { createLeastSessions } from './least-sessions.ts';
import { createMaglev } from './maglev.ts';
import { createRandom } from './random.ts';
import { createRoundRobin } from './round-robin.ts';
import { createTrivial } from './trivial.ts';

export function createLoadBalancer({ policy, key, points, table_size }: Config): LoadBalancer {
  switch (policy) {
    case 'Trivial':
      return createTrivial();
    case 'RoundRobin':
      return createRoundRobin();
    case 'Random':
      return createRandom();
    case 'LeastSessions':
      return createLeastSessions();
    case 'HashRing':
    case 'ConsistentHash':
      return createHashRing(keyOf(key), points);
    case 'Maglev':
      return createMaglev(keyOf(key), table_size);
  }
}
