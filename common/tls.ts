/** TLS of Node.js, loaded where it is first needed and nowhere else; and a look at what it would pass over. */
import { createRequire } from 'node:module';
import { ProxyError } from './errors.ts';

const require = createRequire(import.meta.url);

/** Loaded at once, since listeners and connectors are made at once. */
export const loadTls = (): typeof import('node:tls') => require('node:tls') as typeof import('node:tls');

/**
 * The text of authorities as it is. Node.js passes over what is no certificate; then nobody would be trusted, and nobody
 * told.
 *
 * @throws ProxyError `INVALID_CONFIG` with `path` where there is none in it, or one can't be read.
 */
export function authorities(path: string, text: string): string {
  const { X509Certificate } = require('node:crypto') as typeof import('node:crypto');
  const invalid = (found: string): ProxyError =>
    new ProxyError('INVALID_CONFIG', `${path}: expected certificates in PEM, found ${found}`);
  const certificates = text.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/gu);
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
