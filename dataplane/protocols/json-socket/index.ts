/** JSONSocket: any transport, with a JSON header in front that carries metadata. */
import type { JsonSocketCluster, JsonSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<JsonSocketListener, JsonSocketCluster> = {
  name: 'JSONSocket',
  listener: createListener,
  connector: createConnector,
};
