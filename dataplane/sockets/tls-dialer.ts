/** The client side of TLS for one cluster: a handshake on each connection. */
import { isIP, type Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { TlsClient } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { loadTls } from '../../common/tls.ts';
import { type Reloading, type TlsSurroundings, watchClient } from './tls-context.ts';

export class TlsDialer {
  private readonly spec: TlsClient;
  private readonly context: Reloading<SecureContext | undefined>;
  private readonly alpn: string[];

  /** `alpn`: what is offered where the configuration names none. @throws ProxyError `INVALID_CONFIG` */
  constructor(spec: TlsClient, surroundings: TlsSurroundings, alpn: readonly string[]) {
    this.spec = spec;
    this.alpn = [...(spec.alpn.length > 0 ? spec.alpn : alpn)];
    this.context = watchClient(spec, surroundings);
  }

  close(): void {
    this.context.close();
  }

  /**
   * `hostname`: the name to ask for and to check where the configuration has none.
   *
   * @throws ProxyError `TLS_FAILED`, or what the signal aborts with; the socket is destroyed then.
   */
  connect(socket: Socket, hostname: string, signal: AbortSignal): Promise<TLSSocket> {
    this.context.watch(); // not before it is used: who is made is not always closed
    const name = this.spec.server_name ?? hostname;
    const secureContext = this.context.current;
    if (secureContext === undefined) {
      socket.destroy();
      const found = 'not all of them are here yet';
      return Promise.reject(
        new ProxyError('TLS_FAILED', `TLS with ${name}: expected secrets of the control plane, found ${found}`),
      );
    }
    return new Promise((resolve, reject) => {
      const secure = loadTls().connect({
        socket,
        secureContext,
        rejectUnauthorized: !this.spec.insecure,
        host: name,
        ...(isIP(name) === 0 && name !== '' && { servername: name }),
        ...(this.alpn.length > 0 && { ALPNProtocols: this.alpn }),
      });
      const settle = (): void => {
        secure.off('error', fail).off('close', closed).off('secureConnect', succeed);
        signal.removeEventListener('abort', abort);
        secure.on('error', () => undefined); // until its stream hears of it
      };
      const refuse = (error: ProxyError): void => {
        settle();
        secure.destroy();
        socket.destroy();
        reject(error);
      };
      const fail = (error: Error): void => {
        refuse(new ProxyError('TLS_FAILED', `TLS with ${name}: ${ProxyError.from(error).message}`, error));
      };
      const closed = (): void => fail(new Error('the server closed the connection'));
      const abort = (): void => refuse(ProxyError.from(signal.reason, 'CONNECT_FAILED'));
      const succeed = (): void => {
        settle();
        resolve(secure);
      };
      secure.once('error', fail).once('close', closed).once('secureConnect', succeed);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
  }
}
