/** WebSocket: messages, text or binary. */
import type { WebSocketCluster, WebSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<WebSocketListener, WebSocketCluster> = {
  name: 'WebSocket',
  listener: createListener,
  connector: createConnector,
};
