/** TLS of Node.js, loaded where it is first needed and nowhere else; and a look at what it would pass over. */
import { createRequire } from 'node:module';
import { ProxyError } from './errors.ts';

const require = createRequire(import.meta.url);

/** Loaded at once, since listeners and connectors are made at once. */
export const loadTls = (): typeof import('node:tls') => require('node:tls') as typeof import('node:tls');
const loadCrypto = (): typeof import('node:crypto') => require('node:crypto') as typeof import('node:crypto');

const CERTIFICATE = /-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/gu;

/**
 * When the first of a chain's certificates in PEM ends (RFC 5280, section 4.1.2.5), in ms since the epoch: from then on peers refuse
 * it. Undefined where there is none that can be read.
 */
export function expiryOf(chain: string): number | undefined {
  const { X509Certificate } = loadCrypto();
  let first: number | undefined;
  for (const certificate of chain.match(CERTIFICATE) ?? []) {
    try {
      const end = Date.parse(new X509Certificate(certificate).validTo);
      if (first === undefined || end < first) first = end;
    } catch {
      // It is OpenSSL's to refuse what it is to use.
    }
  }
  return first;
}

/**
 * The text of authorities as it is. Node.js passes over what is no certificate; then nobody would be trusted, and nobody
 * told.
 *
 * @throws ProxyError `INVALID_CONFIG` with `path` where there is none in it, or one can't be read.
 */
export function authorities(path: string, text: string): string {
  const { X509Certificate } = loadCrypto();
  const invalid = (found: string): ProxyError =>
    new ProxyError('INVALID_CONFIG', `${path}: expected certificates in PEM, found ${found}`);
  const certificates = text.match(CERTIFICATE);
  if (certificates === null) throw invalid('none');
  certificates.forEach((certificate, index) => {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw invalid(`number ${index + 1}: ${ProxyError.from(error).message}`);
    }
  });
  return text;
}
