/** Every fuzz target by name: the unit tests run each for a moment, `npm run fuzz` for as long as it is told. */
import type fc from 'fast-check';
import * as accessLog from './access-log.ts';
import * as address from './address.ts';
import * as afPacket from './af-packet.ts';
import * as clientHello from './client-hello.ts';
import * as config from './config.ts';
import * as framing from './framing.ts';
import * as h2Headers from './h2-headers.ts';
import * as http1 from './http1.ts';
import * as httpRequest from './http-request.ts';
import * as jsonEncap from './json-encap.ts';
import * as jsonPointer from './json-pointer.ts';
import * as jsonSocket from './json-socket.ts';
import * as jsonStream from './json-stream.ts';
import * as logger from './logger.ts';
import * as match from './match.ts';
import * as proxyProtocol from './proxy-protocol.ts';
import * as rest from './rest.ts';
import * as sctp from './sctp.ts';
import * as sockaddr from './sockaddr.ts';
import * as websocket from './websocket.ts';

export interface Target {
  /** Throws where something doesn't hold that must hold for any bytes. */
  readonly fuzz: (data: Buffer) => void | Promise<void>;
  /** Bytes that get far. */
  readonly inputs: fc.Arbitrary<Buffer>;
}

export const targets: Readonly<Record<string, Target>> = {
  'access-log': accessLog,
  address,
  'af-packet': afPacket,
  'client-hello': clientHello,
  config,
  framing,
  'h2-headers': h2Headers,
  'http-request': httpRequest,
  http1,
  'json-encap': jsonEncap,
  'json-pointer': jsonPointer,
  'json-socket': jsonSocket,
  'json-stream': jsonStream,
  logger,
  match,
  'proxy-protocol': proxyProtocol,
  rest,
  sctp,
  sockaddr,
  websocket,
};
