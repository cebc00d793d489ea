/** What Secrets and ConfigMaps say in PEM, checked: certificates with their keys, and authorities. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ConfigMap, Secret } from '../api/core-kinds.ts';

export interface KeyPair {
  /** PEM text. */
  readonly cert: string;
  /** PEM text. */
  readonly key: string;
  /** The DNS names that the certificate is for, in lower case. */
  readonly names: readonly string[];
}

/** A value, or what is wrong with where it should be from. */
export type Checked<T> =
  { readonly value: T; readonly fault?: undefined } | { readonly value?: undefined; readonly fault: string };

// Objects never change: what was parsed once holds as long as they are there.
const pairs = new WeakMap<Secret, Checked<KeyPair>>();
const bundles = new WeakMap<object, Checked<string>>();

/** The certificate and the key of a Secret, in `tls.crt` and `tls.key`. */
export function keyPairOf(secret: Secret): Checked<KeyPair> {
  let pair = pairs.get(secret);
  if (pair === undefined) {
    pair = readKeyPair(secret);
    pairs.set(secret, pair);
  }
  return pair;
}

function readKeyPair({ data = {} }: Secret): Checked<KeyPair> {
  const [cert, key] = ['tls.crt', 'tls.key'].map((name) => decode(data[name]));
  const missing = [cert === undefined && 'tls.crt', key === undefined && 'tls.key'].filter(Boolean);
  if (cert === undefined || key === undefined) return { fault: `it has no ${missing.join(' and no ')}` };
  try {
    const certificate = new X509Certificate(cert);
    try {
      if (!certificate.checkPrivateKey(createPrivateKey(key))) return { fault: 'tls.key is not the key of tls.crt' };
    } catch {
      return { fault: 'tls.key is no private key in PEM' };
    }
    return { value: { cert, key, names: dnsNames(certificate) } };
  } catch {
    return { fault: 'tls.crt is no certificate in PEM' };
  }
}

/** The authorities in `ca.crt`. */
export function authoritiesOf(from: ConfigMap | Secret): Checked<string> {
  let bundle = bundles.get(from);
  if (bundle === undefined) {
    const text = from.data?.['ca.crt'];
    bundle = readAuthorities(from.kind === 'Secret' ? decode(text) : text);
    bundles.set(from, bundle);
  }
  return bundle;
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/gu;

function readAuthorities(text: string | undefined): Checked<string> {
  if (text === undefined || text === '') return { fault: 'it has no ca.crt' };
  const certificates = text.match(PEM) ?? [];
  if (certificates.length === 0) return { fault: 'ca.crt has no certificate in PEM' };
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    return { fault: 'ca.crt has a certificate that can not be read' };
  }
  return { value: `${certificates.join('\n')}\n` };
}

function decode(base64: string | undefined): string | undefined {
  return base64 === undefined || base64 === '' ? undefined : Buffer.from(base64, 'base64').toString();
}

function dnsNames({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([^,"]+)/gu)].map(([, name = '']) => name.toLowerCase());
}
