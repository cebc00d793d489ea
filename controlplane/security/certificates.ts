/** Client certificates: the names in one are the nodes that its owner may be, and say what else it covers. */
import type { PeerCertificate } from 'node:tls';
import { matchesName } from '../core/authorization.ts';
import type { AllowedLabels, Identity } from '../core/identity.ts';

/** An organisation (`O=`) of a certificate's subject that gives a role. */
const ROLE_PREFIX = 'l7mp:';
/** A URI of a certificate that begins so is no name, but says what the labels of its owner's nodes may be. */
const URI_PREFIX = /^l7mp:/iu;
const LABELS = /^l7mp:(?:(labels)\?(.+)|(only-labels)(?:\?(.*))?)$/iu;

/** Of a URI in an error, in characters. */
const MAX_SHOWN = 100;

/** Names of certificates, exact or with `*` at the end, that have roles whatever is in them. */
export interface CertificateRoles {
  readonly admins: readonly string[];
  readonly readers: readonly string[];
}

/** Who has a certificate that a trusted authority signed. @throws Error where it says of labels what can't be read. */
export function identityOfCertificate(certificate: PeerCertificate, roles: CertificateRoles): Identity {
  const { CN, O } = certificate.subject as { readonly CN?: string | string[]; readonly O?: string | string[] };
  const [commonNames, organisations] = [listOf(CN), listOf(O)];
  const alternatives = alternativeNames(certificate.subjectaltname);
  const isOurs = ({ type, value }: AlternativeName): boolean => type === 'URI' && URI_PREFIX.test(value);
  const labels = labelsOf(alternatives.filter(isOurs).map(({ value }) => value));
  const others = alternatives.filter((each) => !isOurs(each)).map(({ value }) => value);
  const names = [...new Set([...commonNames, ...others])];
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
    ...(labels && { labels }),
  };
}

/** Of `l7mp:labels?KEY=VALUE&…` and `l7mp:only-labels?…`; a key that comes several times may have either value. */
function labelsOf(uris: readonly string[]): AllowedLabels | undefined {
  if (uris.length === 0) return undefined;
  const values = new Map<string, string[]>();
  let only = false;
  for (const uri of uris) {
    const [, labels, some = '', onlyLabels, all = ''] = LABELS.exec(uri) ?? [];
    // Who took it for a name would let through the labels that it was to bound.
    if (labels === undefined && onlyLabels === undefined) {
      const found = JSON.stringify(uri.slice(0, MAX_SHOWN));
      throw new Error(`expected a certificate with l7mp:labels?KEY=VALUE or l7mp:only-labels, found ${found}`);
    }
    only ||= onlyLabels !== undefined;
    for (const [label, value] of new URLSearchParams(some + all)) {
      values.set(label, [...(values.get(label) ?? []), value]);
    }
  }
  return { values, only };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

interface AlternativeName {
  readonly type: string;
  readonly value: string;
}

/** Of `DNS:a, URI:spiffe://b, DNS:"c, d"`: values with special characters are quoted as JSON. */
function alternativeNames(text = ''): AlternativeName[] {
  return [...text.matchAll(/(?:^|, )(DNS|URI):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gu)].map(
    ([, type = '', value = '']) => ({ type, value: value.startsWith('"') ? (JSON.parse(value) as string) : value }),
  );
}
