/** Security of the control plane: how it listens, and who may call it; follows the files that say so. */
import { FaultsError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { isLoopback } from '../../common/loopback.ts';
import type { CallerFacts, Identity, RoleReviewer, TokenReviewer } from '../core/identity.ts';
import { createAuthenticator } from './authenticator.ts';
import { readOption, WatchedFiles } from './files.ts';
import { type ListeningOptions, readAuthorities, readTlsFiles, type TlsFiles } from './listening.ts';
import { parseTokens, type TokenEntry } from './tokens.ts';

export interface SecurityOptions extends ListeningOptions {
  /** Names of client certificates, and of service accounts, that may change configuration: exact, or with `*` at the end. */
  readonly admins?: readonly string[];
  /** Names of those that may read it. */
  readonly readers?: readonly string[];
  /** A certificate that is made and renewed elsewhere, in place of files. */
  readonly certificate?: CertificateSource;
  /** Asks the cluster of Kubernetes about tokens that are not in the file. */
  readonly review?: TokenReviewer;
  /** What the cluster's own rules let service accounts do. */
  readonly rolesOf?: RoleReviewer;
}

export interface CertificateSource {
  /** In PEM. */
  readonly current: { readonly cert: string; readonly key: string };
  /** Hears of one that takes its place. */
  onChange(listener: () => void): void;
}

export interface Security {
  readonly authenticate: (facts: CallerFacts) => Identity | Promise<Identity>;
  /** Whether callers have to show who they are. */
  readonly authenticates: boolean;
  /** As it is now. Undefined: in the clear. */
  readonly tls: TlsFiles | undefined;
  /** Called with certificates that have changed. */
  onTls: (files: TlsFiles) => void;
  /** Reads all files again where they have changed. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Reads the files, and follows them from then on. The options are checked before, by `listeningFaults`.
 *
 * @throws ProxyError, FaultsError: a file is bad.
 */
export async function createSecurity(options: SecurityOptions, log: Logger): Promise<Security> {
  const { host, tokens: tokenFile, tlsCert, tlsKey, tlsClientCa, insecure = false } = options;
  const watched: WatchedFiles[] = [];

  const { certificate } = options;
  let tls = certificate ? tlsOf(certificate, options) : readTlsFiles(options);
  certificate?.onChange(() => {
    tls = tlsOf(certificate, options);
    security.onTls(tls);
  });
  if (tlsCert !== undefined && tlsKey !== undefined) {
    const files = [tlsCert, tlsKey, ...(tlsClientCa === undefined ? [] : [tlsClientCa])];
    const load = (): void => {
      tls = readTlsFiles(options);
      if (tls) security.onTls(tls);
    };
    watched.push(new WatchedFiles(files, load, log));
  }

  let tokens: readonly TokenEntry[] | undefined;
  if (tokenFile !== undefined) {
    const load = async (): Promise<void> => {
      tokens = await parseTokens(readOption('--tokens', tokenFile)).catch((error: unknown) => {
        throw error instanceof FaultsError ? inFile(tokenFile, error) : error;
      });
    };
    await load();
    watched.push(new WatchedFiles([tokenFile], load, log));
  }

  const { admins = [], readers = [], review, rolesOf } = options;
  // Who is on the machine, and shows nothing, is no pod.
  const shown = tokenFile !== undefined || tlsClientCa !== undefined || (review !== undefined && !isLoopback(host));
  const authenticate = createAuthenticator({
    tokens: () => tokens,
    serviceAccounts: review && { review, rolesOf, admins, readers },
    certificates: tlsClientCa === undefined ? undefined : { admins, readers },
    open: shown ? 'nobody' : isLoopback(host) ? 'loopback' : insecure ? 'everybody' : 'nobody',
    log,
  });
  const security: Security = {
    authenticate,
    authenticates: shown,
    get tls() {
      return tls;
    },
    onTls: () => undefined,
    reload: async () => {
      await Promise.all(watched.map((each) => each.reload()));
    },
    close: () => {
      for (const each of watched) each.close();
    },
  };
  return security;
}

function tlsOf({ current }: CertificateSource, { tlsClientCa }: ListeningOptions): TlsFiles {
  const { cert, key } = current;
  return { cert, key, ...(tlsClientCa !== undefined && { ca: readAuthorities(tlsClientCa) }) };
}

function inFile(file: string, { faults }: FaultsError): FaultsError {
  return new FaultsError(faults.map((each) => ({ ...each, path: each.path === '' ? file : `${file}: ${each.path}` })));
}
