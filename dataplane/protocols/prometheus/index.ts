/** Prometheus: the page of metrics as a cluster, behind an HTTP listener. */
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol = {
  name: 'Prometheus',
  local: true,
  connector: createConnector,
};
