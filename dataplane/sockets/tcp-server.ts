/** A TCP server: what listeners of all protocols over TCP stand on. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Keepalive } from '../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../../common/log.ts';
import { ProxyError } from '../../common/errors.ts';
import type { CaptureTable } from '../core/capture.ts';
import type { Listener } from '../core/protocol.ts';
import type { Refused } from '../core/session.ts';
import { type Ends, formatAddress, plainAddress } from './addresses.ts';
import { type CapturedDoor, capturedDoor, type CapturedSpec } from './captured.ts';
import { refuseLast } from './descriptors.ts';
import { listen } from './listen.ts';

export interface TcpServerOptions extends CapturedSpec {
  readonly address: string;
  readonly port: number;
  readonly no_delay?: boolean;
  readonly keepalive?: Keepalive;
  readonly backlog?: number;
}

export interface TcpServerSurroundings {
  readonly log: Logger;
  readonly refused: Refused;
  readonly capture?: CaptureTable | undefined;
}

/** Listens, and hands over each connection with its ends as the client and the operator see them. */
export class TcpServer implements Listener {
  private readonly server: Server;
  private readonly options: TcpServerOptions;
  private readonly log: Logger;
  private readonly door: CapturedDoor | undefined;

  constructor(
    options: TcpServerOptions,
    { log, refused, capture }: TcpServerSurroundings,
    onConnection: (socket: Socket, ends: Ends) => void,
  ) {
    this.options = options;
    this.log = log;
    this.door = capturedDoor(capture, options, 'tcp');
    this.server = createServer(
      {
        allowHalfOpen: true,
        noDelay: options.no_delay ?? true,
        ...(options.keepalive && { keepAlive: true, keepAliveInitialDelay: options.keepalive.initial_delay }),
      },
      (socket) => {
        const { remoteAddress, remotePort, localAddress } = socket;
        if (remoteAddress === undefined || localAddress === undefined) {
          socket.destroy(); // gone before it was accepted
          return;
        }
        const shortage = refuseLast(socket);
        if (shortage) {
          refused(shortage, formatAddress(plainAddress(remoteAddress), remotePort ?? 0));
          return;
        }
        const ends = this.endsOf(socket, plainAddress(remoteAddress), plainAddress(localAddress), refused);
        if (ends) onConnection(socket, ends);
      },
    );
  }

  get address(): string {
    const bound = this.server.address();
    return bound !== null && typeof bound === 'object' ? formatAddress(bound.address, bound.port) : '';
  }

  async start(): Promise<void> {
    const { address, port, backlog } = this.options;
    await listen(this.server, { host: address, port, backlog });
    const bound = this.server.address();
    try {
      if (bound !== null && typeof bound === 'object') this.door?.open(bound.address, bound.port);
    } catch (error) {
      this.server.close();
      throw error;
    }
    this.server.on('error', (error) => this.log.error({ error: error.message }, 'accepting connections failed'));
  }

  /** Undefined: it was turned away. */
  private endsOf(socket: Socket, srcAddress: string, dstAddress: string, refused: Refused): Ends | undefined {
    const { remotePort: srcPort = 0, localPort: dstPort = 0 } = socket;
    if (!this.door) return { srcAddress, srcPort, dstAddress, dstPort };
    try {
      return this.door.endsOf(srcAddress, srcPort);
    } catch (error) {
      socket.resetAndDestroy();
      refused(ProxyError.from(error), formatAddress(srcAddress, srcPort));
      return undefined;
    }
  }

  close(): Promise<void> {
    this.door?.close();
    return new Promise((resolve) => {
      if (!this.server.listening) {
        resolve();
        return;
      }
      // Connections live on with their sessions; waiting for them would make a removed listener hold up a reload.
      this.server.close();
      resolve();
    });
  }
}
