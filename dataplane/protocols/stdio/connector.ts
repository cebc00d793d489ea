/** Stdio, client side. */
import type { Connector } from '../../core/protocol.ts';
import { StdioStream } from './stdio-stream.ts';

export function createConnector(): Connector {
  return { connect: () => new StdioStream() };
}
