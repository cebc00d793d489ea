/** Connects over TCP, with a PROXY header and TLS in front where they are wanted. */
import type { Socket } from 'node:net';
import type { TlsClient } from '../../gen/l7mp/config/v1/types.ts';
import { proxyHeaderOf } from './proxy-protocol.ts';
import { connectTcp, type DialRequest, type TcpConnectOptions } from './tcp-connect.ts';
import type { TlsSurroundings } from './tls-context.ts';
import { TlsDialer } from './tls-dialer.ts';

export interface ConnectionDialerOptions extends TcpConnectOptions {
  readonly proxy_protocol?: 'off' | 'v1' | 'v2';
  readonly tls?: TlsClient;
}

export class ConnectionDialer {
  private readonly options: ConnectionDialerOptions;
  private readonly tls: TlsDialer | undefined;

  /** `alpn`: what is offered where the configuration names none. @throws ProxyError `INVALID_CONFIG` */
  constructor(options: ConnectionDialerOptions, surroundings: TlsSurroundings, alpn: readonly string[] = []) {
    this.options = options;
    this.tls = options.tls && new TlsDialer(options.tls, surroundings, alpn);
  }

  /** A socket with half-close; the caller listens to its errors from the same turn on. @throws ProxyError */
  connect(request: DialRequest): Promise<Socket> {
    const { proxy_protocol = 'off' } = this.options;
    const socket = connectTcp(request, this.options);
    return proxy_protocol === 'off' && this.tls === undefined ? socket : this.prepare(request, socket, proxy_protocol);
  }

  private async prepare(
    { target, metadata, signal }: DialRequest,
    connecting: Promise<Socket>,
    proxyProtocol: 'off' | 'v1' | 'v2',
  ): Promise<Socket> {
    const socket = await connecting;
    if (proxyProtocol !== 'off') socket.write(proxyHeaderOf(proxyProtocol, metadata));
    if (this.tls === undefined) return socket;
    socket.on('error', () => undefined); // TLS hears of it, too
    return this.tls.connect(socket, target.hostname, signal);
  }

  close(): Promise<void> {
    this.tls?.close();
    return Promise.resolve();
  }
}
