/** What replicas share: the authorities that are trusted, and the server's certificate; as the data of a Secret. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyPair, Validity } from './issue.ts';

/** An authority; without `key` it signs no more, and is trusted until it has expired. */
export interface Authority extends Validity {
  readonly cert: string;
  readonly key: string | undefined;
}

export interface Bundle {
  /** The newest first. */
  readonly authorities: readonly Authority[];
  readonly server: KeyPair & Validity & { readonly names: readonly string[]; readonly issuer: string };
}

/** In base64, as Secrets have it; the keys of `kubernetes.io/tls`, and those of the authorities. */
export type SecretData = Readonly<Record<string, string>>;

const BLOCK = /-----BEGIN (?:CERTIFICATE|PRIVATE KEY)-----[^-]+-----END [^-]+-----\n?/gu;

export function toSecretData({ authorities, server }: Bundle): SecretData {
  const texts = {
    'ca.crt': trusted(authorities),
    'ca.key': authorities.map(({ key = '' }) => key).join(''),
    'tls.crt': server.cert,
    'tls.key': server.key,
  };
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
}

/** All authorities in PEM: what clients are to trust. */
export function trusted(authorities: readonly Authority[]): string {
  return authorities.map(({ cert }) => cert).join('');
}

/** @throws Error that says what of it can't be read, or doesn't fit together. */
export function fromSecretData(data: SecretData): Bundle {
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  const keys = (text('ca.key').match(BLOCK) ?? []).map((pem) => ({ pem, key: createPrivateKey(pem) }));
  const authorities = (text('ca.crt').match(BLOCK) ?? []).map((pem): Authority => {
    const certificate = new X509Certificate(pem);
    const key = keys.find((each) => certificate.checkPrivateKey(each.key))?.pem;
    return {
      cert: withNewline(pem),
      key: key === undefined ? undefined : withNewline(key),
      ...validityOf(certificate),
    };
  });
  const [cert, key] = [text('tls.crt'), text('tls.key')];
  const certificate = new X509Certificate(cert);
  if (!certificate.checkPrivateKey(createPrivateKey(key)))
    throw new Error('tls.key: expected the key of tls.crt, found another');
  const issuer = authorities.find((each) => certificate.verify(new X509Certificate(each.cert).publicKey));
  if (!issuer) throw new Error('ca.crt: expected the authority of tls.crt among them, found none');
  const server = { cert, key, names: namesOf(certificate), issuer: issuer.cert, ...validityOf(certificate) };
  return { authorities, server };
}

function validityOf({ validFrom, validTo }: X509Certificate): Validity {
  return { notBefore: new Date(validFrom), notAfter: new Date(validTo) };
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').map((name) => name.replace(/^(?:DNS|IP Address):/u, ''));
}

function withNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
