/** TLS on sockets, both sides: contexts from files or PEM text, certificates by name, reload without a drop. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, watchFile, unwatchFile } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import type { TlsClient, TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metadata } from '../core/session.ts';

/** How often files are looked at, in ms. */
const WATCH_INTERVAL = 1000;

/** PEM text as it stands; else the file of the name. */
function pem(value: string): string | Buffer {
  return value.includes('-----BEGIN') ? value : readFileSync(value);
}

const isFile = (value: string | undefined): value is string => value !== undefined && !value.includes('-----BEGIN');

/** Makes contexts of a configuration, and makes them anew when its files change. A bad file leaves the old one. */
class Reloading<T> {
  current: T;
  private readonly files: readonly string[];
  private readonly onChange: () => void;

  /** @throws ProxyError `TLS_FAILED` where the first one can't be made. */
  constructor(files: readonly (string | undefined)[], make: () => T, log: Logger) {
    this.current = made(make);
    this.files = [...new Set(files.filter(isFile))];
    this.onChange = () => {
      try {
        this.current = made(make);
        log.info({ files: this.files }, 'certificates reloaded');
      } catch (error) {
        log.error(
          { files: this.files, error: ProxyError.from(error).message },
          'certificates not reloaded; the old ones stay',
        );
      }
    };
    for (const file of this.files) watchFile(file, { interval: WATCH_INTERVAL, persistent: false }, this.onChange);
  }

  close(): void {
    for (const file of this.files) unwatchFile(file, this.onChange);
  }
}

function made<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const { message } = ProxyError.from(error);
    throw new ProxyError('TLS_FAILED', `expected a certificate, its key and authorities that fit: ${message}`, error);
  }
}

interface Contexts {
  readonly main: SecureContext;
  readonly named: readonly { readonly names: readonly string[]; readonly context: SecureContext }[];
}

/** The server side of TLS for one listener. */
export class TlsAcceptor {
  private readonly spec: TlsServer;
  private readonly contexts: Reloading<Contexts>;
  private readonly alpn: readonly string[];

  /** `alpn`: the application protocols where the configuration names none. @throws ProxyError `TLS_FAILED` */
  constructor(spec: TlsServer, log: Logger, alpn: readonly string[] = []) {
    this.spec = spec;
    this.alpn = spec.alpn.length > 0 ? spec.alpn : alpn;
    const { cert, key, ca, certificates, ciphers, min_version: minVersion } = spec;
    const context = (certificate: string, itsKey: string): SecureContext =>
      createSecureContext({
        cert: pem(certificate),
        key: pem(itsKey),
        minVersion,
        ...(ca !== undefined && { ca: pem(ca) }),
        ...(ciphers !== undefined && { ciphers }),
      });
    const files = [cert, key, ca, ...certificates.flatMap((each) => [each.cert, each.key])];
    this.contexts = new Reloading(
      files,
      () => ({
        main: context(cert, key),
        named: certificates.map((each) => ({ names: each.server_names, context: context(each.cert, each.key) })),
      }),
      log,
    );
  }

  /** The handshake of one connection. @throws ProxyError `TLS_FAILED`; the socket is destroyed then. */
  accept(socket: Socket, timeout: number): Promise<TLSSocket> {
    const { client_certificate: wanted } = this.spec;
    const { main } = this.contexts.current;
    let sni = '';
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: main,
      requestCert: wanted !== 'none',
      rejectUnauthorized: wanted === 'require',
      ...(this.alpn.length > 0 && { ALPNProtocols: [...this.alpn] }),
      SNICallback: (name, callback) => {
        sni = name;
        callback(null, this.contextFor(name));
      },
    });
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        settle();
        secure.destroy();
        socket.destroy();
        reject(new ProxyError('TLS_FAILED', `TLS handshake: ${error.message}`, error));
      };
      const closed = (): void => fail(new Error('the client closed the connection'));
      const succeed = (): void => {
        // OpenSSL lets a client without a certificate finish TLS 1.3; what is required is required.
        if (wanted === 'require' && !secure.authorized) {
          fail(new Error(`expected a client certificate: ${String(secure.authorizationError)}`));
          return;
        }
        settle();
        // As tls.Server does for its sockets: HTTP/2 waits for it.
        Reflect.set(secure, 'secureConnecting', false);
        if (sni !== '') names.set(secure, sni);
        resolve(secure);
      };
      const timer = setTimeout(() => fail(new Error('it took too long')), timeout);
      const settle = (): void => {
        clearTimeout(timer);
        secure.off('secure', succeed).off('close', closed).off('error', fail);
        secure.on('error', () => undefined);
      };
      secure.once('secure', succeed).once('close', closed).once('error', fail);
    });
  }

  private contextFor(name: string): SecureContext {
    const { main, named } = this.contexts.current;
    return named.find(({ names: covered }) => covered.some((pattern) => covers(pattern, name)))?.context ?? main;
  }

  close(): void {
    this.contexts.close();
  }
}

/** The name that each client asked for. */
const names = new WeakMap<TLSSocket, string>();

/** `*.example.org` covers one label (RFC 6125, section 6.4.3). */
function covers(pattern: string, name: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), name.toLowerCase()];
  if (!wanted.startsWith('*.')) return wanted === given;
  const dot = given.indexOf('.');
  return dot > 0 && given.slice(dot) === wanted.slice(1);
}

/** `TLS` in the metadata. */
export function tlsMetadata(socket: TLSSocket): Metadata {
  const certificate = socket.getPeerX509Certificate();
  const sni = names.get(socket);
  const alpn = socket.alpnProtocol;
  return {
    TLS: {
      version: socket.getProtocol() ?? '',
      cipher: (socket.getCipher() as { name?: string } | undefined)?.name ?? '',
      authorized: socket.authorized,
      ...(sni !== undefined && { sni }),
      ...(typeof alpn === 'string' && { alpn }),
      ...(certificate && { peer_certificate: certificateMetadata(certificate) }),
    },
  };
}

function certificateMetadata({
  subject,
  issuer,
  fingerprint256,
  subjectAltName,
  serialNumber,
}: X509Certificate): Metadata {
  return {
    subject,
    issuer,
    fingerprint: fingerprint256,
    serial: serialNumber,
    ...(subjectAltName !== undefined && { san: subjectAltName }),
  };
}

/** The client side of TLS for one cluster. */
export class TlsDialer {
  private readonly spec: TlsClient;
  private readonly context: Reloading<SecureContext>;
  private readonly alpn: readonly string[];

  /** @throws ProxyError `TLS_FAILED` */
  constructor(spec: TlsClient, log: Logger, alpn: readonly string[] = []) {
    this.spec = spec;
    this.alpn = spec.alpn.length > 0 ? spec.alpn : alpn;
    const { ca, cert, key, min_version: minVersion } = spec;
    this.context = new Reloading(
      [ca, cert, key],
      () =>
        createSecureContext({
          minVersion,
          ...(ca !== undefined && { ca: pem(ca) }),
          ...(cert !== undefined && { cert: pem(cert) }),
          ...(key !== undefined && { key: pem(key) }),
        }),
      log,
    );
  }

  /** `hostname`: the name to ask for where the configuration has none. @throws ProxyError; the socket is destroyed then. */
  connect(socket: Socket, hostname: string, signal: AbortSignal): Promise<TLSSocket> {
    const name = this.spec.server_name ?? hostname;
    return new Promise((resolve, reject) => {
      const secure = tlsConnect({
        socket,
        secureContext: this.context.current,
        rejectUnauthorized: !this.spec.insecure,
        host: name,
        ...(isIP(name) === 0 && name !== '' && { servername: name }),
        ...(this.alpn.length > 0 && { ALPNProtocols: [...this.alpn] }),
      });
      const settle = (): void => {
        secure.off('error', fail).off('close', closed).off('secureConnect', succeed);
        signal.removeEventListener('abort', abort);
        secure.on('error', () => undefined);
      };
      const fail = (error: Error): void => {
        settle();
        secure.destroy();
        socket.destroy();
        reject(
          error instanceof ProxyError
            ? error
            : new ProxyError('TLS_FAILED', `TLS with ${name}: ${error.message}`, error),
        );
      };
      const closed = (): void => fail(new Error('the server closed the connection'));
      const abort = (): void => fail(ProxyError.from(signal.reason));
      const succeed = (): void => {
        settle();
        resolve(secure);
      };
      secure.once('error', fail).once('close', closed).once('secureConnect', succeed);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
  }

  close(): void {
    this.context.close();
  }
}
