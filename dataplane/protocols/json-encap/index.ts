/** JSONEncap: wraps each datagram into a JSON object with the session's metadata. */
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol = {
  name: 'JSONEncap',
  local: true,
  connector: createConnector,
};
