/** L7mpController: the REST API as a cluster, behind an HTTP listener. */
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol = {
  name: 'L7mpController',
  local: true,
  connector: createConnector,
};
