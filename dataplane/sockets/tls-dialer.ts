/** The client side of TLS for one cluster: a handshake on each connection. */
import { isIP, type Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { TlsClient } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { loadTls } from '../../common/tls.ts';
import { type Reloading, type TlsSurroundings, watchClient } from './tls-context.ts';
import { shakeHands } from './tls-handshake.ts';
import { nameFault } from './tls-names.ts';

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
  async connect(socket: Socket, hostname: string, signal: AbortSignal): Promise<TLSSocket> {
    this.context.watch(); // not before it is used: who is made is not always closed
    const name = this.spec.server_name ?? hostname;
    const secureContext = this.context.current;
    if (signal.aborted || secureContext === undefined) {
      socket.destroy();
      if (signal.aborted) throw ProxyError.from(signal.reason, 'CONNECT_FAILED');
      const found = 'not all of them are here yet';
      throw new ProxyError('TLS_FAILED', `TLS with ${name}: expected secrets of the control plane, found ${found}`);
    }
    const secure = loadTls().connect({
      socket,
      secureContext,
      rejectUnauthorized: !this.spec.insecure,
      host: name,
      ...(this.spec.san.length > 0 && {
        checkServerIdentity: (_name, { subjectaltname }) => nameFault(this.spec.san, subjectaltname),
      }),
      ...(isIP(name) === 0 && name !== '' && { servername: name }),
      ...(this.alpn.length > 0 && { ALPNProtocols: this.alpn }),
    });
    return shakeHands(secure, socket, {
      event: 'secureConnect',
      name: `TLS with ${name}`,
      closed: new ProxyError('TLS_FAILED', `TLS with ${name}: the server closed the connection`),
      limit: (refuse) => {
        const abort = (): void => refuse(ProxyError.from(signal.reason, 'CONNECT_FAILED'));
        signal.addEventListener('abort', abort, { once: true });
        return () => signal.removeEventListener('abort', abort);
      },
    });
  }
}
