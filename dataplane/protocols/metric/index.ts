/** Metric: counts what passes under a name of its own. */
import type { MetricCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol<object, MetricCluster> = {
  name: 'Metric',
  local: true,
  connector: createConnector,
};
