/** The server side of TLS for one listener: a handshake on each connection. */
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { loadTls } from '../../common/tls.ts';
import { type Reloading, type ServerContexts, type TlsSurroundings, watchServer } from './tls-context.ts';
import { shakeHands } from './tls-handshake.ts';

export class TlsAcceptor {
  private readonly spec: TlsServer;
  private readonly contexts: Reloading<ServerContexts>;
  private readonly alpn: string[];

  /** `alpn`: what is offered where the configuration names none. @throws ProxyError `INVALID_CONFIG` */
  constructor(spec: TlsServer, surroundings: TlsSurroundings, alpn: readonly string[]) {
    this.spec = spec;
    this.alpn = [...(spec.alpn.length > 0 ? spec.alpn : alpn)];
    this.contexts = watchServer(spec, surroundings);
  }

  /** When the first certificate that it shows ends, in ms since the epoch. */
  get certificateExpiry(): number | undefined {
    return this.contexts.current.expiry;
  }

  /** From here on changed certificate files count; until `close`. Connections that stand keep theirs. */
  start(): void {
    this.contexts.watch();
  }

  close(): void {
    this.contexts.close();
  }

  /**
   * A socket that keeps half-close as the one below does. `timeout` in ms.
   *
   * @throws ProxyError `TLS_FAILED`, `PEER_CLOSED`; the socket is destroyed then.
   */
  async accept(socket: Socket, timeout: number): Promise<TLSSocket> {
    const { client_certificate: wanted } = this.spec;
    const { main, named } = this.contexts.current;
    const { TLSSocket } = loadTls();
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: main,
      requestCert: wanted !== 'none',
      rejectUnauthorized: wanted === 'require',
      ...(this.alpn.length > 0 && { ALPNProtocols: this.alpn }),
      ...(named.length > 0 && {
        SNICallback: (name, callback) => callback(null, contextFor(this.contexts.current, name)),
      }),
    });
    await shakeHands(secure, socket, {
      event: 'secure',
      name: 'TLS handshake',
      closed: new ProxyError('PEER_CLOSED', 'TLS handshake: the client closed the connection'),
      verify: () => {
        if (wanted !== 'none') checkClient(secure);
        if (wanted !== 'require' || secure.authorized) return;
        const found = String(secure.authorizationError);
        throw new ProxyError('TLS_FAILED', `expected a client certificate, found ${found}`);
      },
      limit: (refuse) => {
        const late = (): void => {
          refuse(new ProxyError('TLS_FAILED', `TLS handshake: expected it within ${timeout} ms`));
        };
        const timer = setTimeout(late, timeout);
        return () => clearTimeout(timer);
      },
    });
    Reflect.set(secure, 'secureConnecting', false); // as tls.Server does; HTTP/2 waits for it
    return secure;
  }
}

/** Sets `authorized` as tls.Server does: without one, Node.js leaves the verdict on the client's certificate unread. */
function checkClient(secure: TLSSocket): void {
  const handle = Reflect.get(secure, '_handle') as { verifyError(): NodeJS.ErrnoException | null };
  const error = handle.verifyError();
  secure.authorized = error === null;
  if (error) Reflect.set(secure, 'authorizationError', error.code ?? error.message);
}

function contextFor({ main, named }: ServerContexts, serverName: string): SecureContext {
  const name = serverName.toLowerCase();
  const exact = named.find(({ names }) => names.includes(name));
  if (exact) return exact.context;
  // The longest wildcard, as with Gateway API's listeners. Whether its certificate is for several labels is the client's to judge.
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const wildcard = `*${name.slice(dot)}`;
    const found = named.find(({ names }) => names.includes(wildcard));
    if (found) return found.context;
  }
  return main;
}
