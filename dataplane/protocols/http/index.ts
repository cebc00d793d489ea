/** HTTP: a session for each request. */
import type { HttpCluster, HttpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<HttpListener, HttpCluster> = {
  name: 'HTTP',
  listener: createListener,
  connector: createConnector,
};
