/** Connects over TCP, with a PROXY header and TLS in front where they are wanted. */
import type { Socket } from 'node:net';
import type { TlsClient } from '../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../core/log.ts';
import type { Target } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import { connectTcp, type TcpConnectOptions } from './tcp-connect.ts';
import type { TlsDialer } from './tls.ts';

export interface ConnectionDialerOptions extends TcpConnectOptions {
  readonly proxy_protocol?: 'off' | 'v1' | 'v2';
  readonly tls?: TlsClient;
}

export class ConnectionDialer {
  private readonly options: ConnectionDialerOptions;
  private readonly log: Logger;
  private readonly alpn: readonly string[];
  private dialer: Promise<TlsDialer> | undefined;

  /** `alpn`: what is offered where the configuration names none. */
  constructor(options: ConnectionDialerOptions, log: Logger, alpn: readonly string[] = []) {
    this.options = options;
    this.log = log;
    this.alpn = alpn;
  }

  /** A socket with half-close and no listeners. @throws ProxyError */
  async connect(target: Target, metadata: Metadata, signal: AbortSignal): Promise<Socket> {
    const { proxy_protocol = 'off', tls } = this.options;
    const socket = await connectTcp(target, this.options, signal);
    if (proxy_protocol !== 'off') {
      const { proxyHeaderOf } = await import('./proxy-protocol.ts');
      socket.write(proxyHeaderOf(proxy_protocol, metadata));
    }
    if (tls === undefined) return socket;
    socket.on('error', () => undefined); // TLS hears of it, too
    try {
      this.dialer ??= this.makeDialer(tls);
      return await (await this.dialer).connect(socket, target.hostname, signal);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  private async makeDialer(tls: TlsClient): Promise<TlsDialer> {
    const { TlsDialer } = await import('./tls.ts');
    return new TlsDialer(tls, this.log, this.alpn);
  }

  async close(): Promise<void> {
    try {
      (await this.dialer)?.close();
    } catch {
      // It was never made: its sessions were told why.
    }
  }
}
