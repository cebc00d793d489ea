/** Stdio: the proxy's own standard input and output. */
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol = {
  name: 'Stdio',
  local: true,
  listener: createListener,
  connector: createConnector,
};
