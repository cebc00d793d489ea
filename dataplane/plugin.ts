/** What the package exports: for protocols that are loaded with `--plugin`. See docs/add-a-protocol.md. */
export { BaseStream } from './core/base-stream.ts';
export { ProxyError } from '../common/errors.ts';
export type { Logger } from '../common/log.ts';
export type {
  ConnectRequest,
  Connector,
  ConnectorContext,
  Listener,
  ListenerContext,
  Protocol,
  Target,
} from './core/protocol.ts';
export type { Accept, Metadata } from './core/session.ts';
export { SocketStream } from './core/socket-stream.ts';
export type { EndReason, Framing, Signal, Sink, Stream } from './core/stream.ts';
export { TransformStream } from './core/transform-stream.ts';
