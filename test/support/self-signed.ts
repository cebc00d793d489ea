/** A certificate of openssl's making, as PEM texts. */
import { execFileSync } from 'node:child_process';

/** A certificate for a name that is its own authority, and its key; for two days unless asked otherwise. */
export function selfSigned(name: string, days = 2): { readonly cert: string; readonly key: string } {
  const text = execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)].concat([
      ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`],
      ...['-keyout', '-', '-out', '-'],
    ]),
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const start = text.indexOf('-----BEGIN CERTIFICATE-----');
  return { key: text.slice(0, start), cert: text.slice(start) };
}
