/** SCTP, one-to-one style (RFC 6458, section 4). */
import type { SctpCluster, SctpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<SctpListener, SctpCluster> = {
  name: 'SCTP',
  listener: createListener,
  connector: createConnector,
};
