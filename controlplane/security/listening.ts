/** Where the control plane may listen, and how: in the clear only where nobody else can hear it, or where that is wanted. */
import { createSecureContext } from 'node:tls';
import { ProxyError } from '../../common/errors.ts';
import { isLoopback } from '../../common/loopback.ts';
import { readOption } from './files.ts';

export interface ListeningOptions {
  /** The host that it listens on. */
  readonly host: string;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
  readonly tokens?: string | undefined;
  readonly insecure?: boolean | undefined;
  /** The cluster of Kubernetes says who calls, and the control plane makes its own certificate where there are no files. */
  readonly kubernetes?: boolean | undefined;
}

/** What the options say that must not be: everything at once. */
export function listeningFaults(options: ListeningOptions): string[] {
  const { host, tlsCert, tlsKey, tlsClientCa, tokens, insecure = false, kubernetes = false } = options;
  const faults: string[] = [];
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [found, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
    faults.push(`expected --tls-cert and --tls-key together, found ${found} without ${missing}`);
  }
  const tls = tlsCert !== undefined || tlsKey !== undefined;
  if (tlsClientCa !== undefined && !tls && !kubernetes) {
    faults.push('--tls-client-ca: expected --tls-cert and --tls-key beside it, found neither');
  }
  if (tls && tokens === undefined && tlsClientCa === undefined && !kubernetes) {
    faults.push('expected --tokens or --tls-client-ca beside --tls-cert, found neither: nobody could be told apart');
  }
  if (!tls && !insecure && !kubernetes && !isLoopback(host)) {
    faults.push(
      `--listen: expected a loopback address, or --tls-cert and --tls-key, found ${host} without TLS ` +
        '(--insecure says that plain text is wanted)',
    );
  }
  return faults;
}

/** PEM text, as the server is given it. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** The authorities of client certificates. */
  readonly ca?: string;
}

/** @throws ProxyError that names the option whose file is bad. */
export function readTlsFiles({ tlsCert, tlsKey, tlsClientCa }: ListeningOptions): TlsFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const files: TlsFiles = {
    cert: readOption('--tls-cert', tlsCert),
    key: readOption('--tls-key', tlsKey),
    ...(tlsClientCa !== undefined && { ca: readAuthorities(tlsClientCa) }),
  };
  try {
    createSecureContext(files);
  } catch (error) {
    const { message } = ProxyError.from(error);
    throw new ProxyError(
      'INVALID_CONFIG',
      `--tls-cert, --tls-key: expected a certificate and its key, found ${message}`,
    );
  }
  return files;
}

/** Node.js passes over what is no certificate: then nobody would be trusted, and nobody told. */
export function readAuthorities(file: string): string {
  const text = readOption('--tls-client-ca', file);
  if (/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/u.test(text)) return text;
  throw new ProxyError('INVALID_CONFIG', `--tls-client-ca: expected certificates in PEM, found none in ${file}`);
}
