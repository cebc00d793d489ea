/** One TLS handshake, of either side: it comes to its end, or both sockets are gone. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ProxyError } from '../../common/errors.ts';

export interface HandshakeOptions {
  /** What Node.js tells when it is done. */
  readonly event: 'secure' | 'secureConnect';
  /** What is said of it where it fails, as in `TLS with example.org`. */
  readonly name: string;
  /** What it is where the peer closes the connection meanwhile. */
  readonly closed: ProxyError;
  /** Looks at who the peer is. @throws ProxyError where it is not the one that was expected. */
  readonly verify?: () => void;
  /** Waits for what ends it early, which calls `refuse`; what it gives ends the waiting. */
  readonly limit: (refuse: (error: ProxyError) => void) => () => void;
}

/** `secure`: on top of `socket`, in the turn in which it was made. @throws ProxyError; both are destroyed then. */
export function shakeHands(secure: TLSSocket, socket: Socket, options: HandshakeOptions): Promise<TLSSocket> {
  const { event, name, verify = () => undefined, limit } = options;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      lift();
      secure.off(event, succeed).off('close', closed).off('error', fail);
      secure.on('error', () => undefined); // until its stream hears of it
    };
    const refuse = (error: ProxyError): void => {
      settle();
      secure.destroy();
      socket.destroy();
      reject(error);
    };
    const fail = (error: Error): void => {
      refuse(new ProxyError('TLS_FAILED', `${name}: ${ProxyError.from(error).message}`, error));
    };
    const closed = (): void => refuse(options.closed);
    const succeed = (): void => {
      try {
        verify();
      } catch (error) {
        refuse(ProxyError.from(error));
        return;
      }
      settle();
      resolve(secure);
    };
    secure.once(event, succeed).once('close', closed).once('error', fail);
    const lift = limit(refuse);
  });
}
