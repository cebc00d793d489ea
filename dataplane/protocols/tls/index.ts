/** TLS over TCP: byte streams. */
import type { TlsCluster, TlsListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<TlsListener, TlsCluster> = {
  name: 'TLS',
  listener: createListener,
  connector: createConnector,
};
