/** Who calls: by a bearer token, by a client certificate, or by being on this machine where neither is asked for. */
import type { Logger } from '../../common/log.ts';
import type { CallerFacts, Identity, RoleReviewer, TokenReviewer } from '../core/identity.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import { type CertificateRoles, identityOfCertificate } from './certificates.ts';
import { identityOfServiceAccount, type ServiceAccountRoles } from './service-accounts.ts';
import { findToken, type TokenEntry } from './tokens.ts';

export interface AuthenticatorOptions {
  /** The tokens of now; undefined where there are none to be had. */
  readonly tokens: () => readonly TokenEntry[] | undefined;
  /** Whom tokens of service accounts are asked about, and what roles those have; undefined: nobody. */
  readonly serviceAccounts?: ServiceAccountOptions | undefined;
  /** What certificates cover; undefined where they are not asked for. */
  readonly certificates: CertificateRoles | undefined;
  /** Whether somebody who shows nothing may do everything: `loopback` from this machine only; needs no tokens and no TLS. */
  readonly open: 'nobody' | 'loopback' | 'everybody';
  readonly log: Logger;
}

export interface ServiceAccountOptions extends ServiceAccountRoles {
  readonly review: TokenReviewer;
  /** Whom their roles are asked, beside those of the options; undefined: nobody. */
  readonly rolesOf?: RoleReviewer | undefined;
}

/** Calls that want a role. Proxies make others, and the cluster is not asked for each of them. */
const WANTS_ROLE = '/l7mp.admin.';

/** The newcomer on a machine of their own. */
const LOOPBACK: Identity = { name: 'loopback', admin: true, reader: true, nodes: ['*'] };
/** Somebody who was let in by `--insecure`. */
const EVERYBODY: Identity = { ...LOOPBACK, name: 'everybody' };

/** Makes what tells callers apart. It throws RpcError UNAUTHENTICATED, after a line in the log with `audit: true`. */
export function createAuthenticator(
  options: AuthenticatorOptions,
): (facts: CallerFacts) => Identity | Promise<Identity> {
  const { tokens, serviceAccounts, certificates, open, log } = options;
  return ({ certificate, certificateFault, peer, loopback, path, metadata }) => {
    const refuse = (reason: string): RpcError => {
      log.warn({ audit: true, peer, path, reason }, 'a call was refused: it is not known who calls');
      return new RpcError(STATUS.UNAUTHENTICATED, reason);
    };
    const { authorization } = metadata;
    const entries = tokens();
    if (authorization !== undefined && (entries !== undefined || serviceAccounts !== undefined)) {
      // A token that is shown counts, whatever else is: who shows a wrong one shall hear it.
      const token = /^Bearer +(\S+)$/iu.exec(authorization)?.[1];
      const identity = token === undefined ? undefined : findToken(entries ?? [], token);
      if (identity !== undefined) return identity;
      const another = (): RpcError => refuse('expected a bearer token of this control plane, found another');
      if (token === undefined || serviceAccounts === undefined) throw another();
      return reviewed(token, path, serviceAccounts).then(
        (found) => {
          if (found === undefined) throw another();
          return found;
        },
        (error: unknown) => {
          const reason = `the cluster can't be asked about the token: ${error instanceof Error ? error.message : String(error)}`;
          log.warn({ audit: true, peer, path, reason }, 'a call was refused: it is not known who calls');
          throw new RpcError(STATUS.UNAVAILABLE, reason);
        },
      );
    }
    if (certificate !== undefined && certificates !== undefined) {
      try {
        return identityOfCertificate(certificate, certificates);
      } catch (error) {
        throw refuse((error as Error).message);
      }
    }
    if (open === 'everybody') return EVERYBODY;
    if (open === 'loopback' && loopback) return LOOPBACK;
    const wanted = [
      ...(entries === undefined && serviceAccounts === undefined ? [] : ['a bearer token']),
      ...(certificates === undefined ? [] : ['a client certificate of an authority that is trusted here']),
    ];
    const shown = [
      ...(authorization === undefined ? [] : ['a bearer token']),
      ...(certificateFault === undefined ? [] : [`a certificate that is not trusted (${certificateFault})`]),
    ];
    const found = shown.join(' and ') || 'nothing';
    throw refuse(`expected ${wanted.join(' or ') || 'a caller on this machine'}, found ${found}`);
  };
}

/** Undefined: the cluster gave out no such token. @throws Error where it can't be asked */
async function reviewed(
  token: string,
  path: string,
  serviceAccounts: ServiceAccountOptions,
): Promise<Identity | undefined> {
  const { review, rolesOf } = serviceAccounts;
  const found = await review(token);
  if (found === undefined) return undefined;
  const granted = path.startsWith(WANTS_ROLE) ? await rolesOf?.(found.user) : undefined;
  return identityOfServiceAccount(found, serviceAccounts, granted);
}
