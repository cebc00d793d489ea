/** Client certificates: the names in one are the nodes that its owner may be, and say what else it covers. */
import type { PeerCertificate } from 'node:tls';
import { type Identity, matchesName } from '../core/identity.ts';

/** An organisation (`O=`) of a certificate's subject that gives a role. */
const ROLE_PREFIX = 'l7mp:';

/** Names of certificates, exact or with `*` at the end, that have roles whatever is in them. */
export interface CertificateRoles {
  readonly admins: readonly string[];
  readonly readers: readonly string[];
}

/** Who has a certificate that a trusted authority signed. */
export function identityOfCertificate(certificate: PeerCertificate, roles: CertificateRoles): Identity {
  const { CN, O } = certificate.subject as { readonly CN?: string | string[]; readonly O?: string | string[] };
  const [commonNames, organisations] = [listOf(CN), listOf(O)];
  const names = [...new Set([...commonNames, ...alternativeNames(certificate.subjectaltname)])];
  const has = (role: string): boolean => organisations.includes(`${ROLE_PREFIX}${role}`);
  const isAmong = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => names.some((name) => matchesName(pattern, name)));
  const admin = has('admin') || isAmong(roles.admins);
  const reader = admin || has('reader') || isAmong(roles.readers);
  return {
    name: `certificate:${commonNames[0] === undefined ? (names[0] ?? certificate.fingerprint256) : `CN=${commonNames[0]}`}`,
    admin,
    reader,
    // A name is a name here: as a pattern, that of a wildcard certificate would cover nodes that nobody thought of.
    nodes: reader && !has('proxy') ? [] : names.filter((name) => !name.includes('*')),
  };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

/** Of `DNS:a, URI:spiffe://b, DNS:"c, d"`: values with special characters are quoted as JSON. */
function alternativeNames(text = ''): string[] {
  return [...text.matchAll(/(?:^|, )(DNS|URI):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gu)].map(([, , value = '']) =>
    value.startsWith('"') ? (JSON.parse(value) as string) : value,
  );
}
