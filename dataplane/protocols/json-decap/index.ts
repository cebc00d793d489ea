/** JSONDecap: takes the payload out of the JSON objects that JSONEncap makes. */
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol = {
  name: 'JSONDecap',
  local: true,
  connector: createConnector,
};
