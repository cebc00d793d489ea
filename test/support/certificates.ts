/** Certificates that openssl makes: single ones, and those of an authority. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Files in PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** As in `/O=ops/CN=web`. */
  readonly subject: string;
  /** As in `DNS:web,IP:127.0.0.1`. */
  readonly names?: string;
  /** How long it is good for; negative: it has expired. Default: 2. */
  readonly days?: number;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export class Authority {
  /** Its certificate. */
  readonly file: string;
  private readonly directory: string;
  private readonly own: Certificate;

  constructor(directory: string, name: string) {
    this.directory = directory;
    this.own = selfSign(directory, name, []);
    this.file = this.own.cert;
  }

  /** Signs a certificate; its files are called so. */
  issue(file: string, options: CertificateOptions): Certificate {
    return sign(this.directory, file, options, this.own);
  }
}

/** A certificate for names as in `DNS:a.example` or `IP:127.0.0.1`: of `issuer`, or its own authority where there is none. */
export function makeCertificate(directory: string, name: string, names: string, issuer?: Certificate): Certificate {
  if (issuer === undefined) return selfSign(directory, name, ['-addext', `subjectAltName=${names}`]);
  return sign(directory, name, { subject: `/CN=${name}`, names }, issuer);
}

function selfSign(directory: string, name: string, more: readonly string[]): Certificate {
  const { cert, key } = filesOf(directory, name);
  openssl('req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${name}`, ...more, '-keyout', key, '-out', cert);
  return { cert, key };
}

function sign(
  directory: string,
  file: string,
  { subject, names, days = 2 }: CertificateOptions,
  issuer: Certificate,
): Certificate {
  const { cert, key, request, extensions } = filesOf(directory, file);
  writeFileSync(extensions, names === undefined ? 'basicConstraints=CA:FALSE' : `subjectAltName=${names}`);
  openssl('req', ...KEY, '-subj', subject, '-keyout', key, '-out', request);
  const signer = ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial'];
  openssl('x509', '-req', '-in', request, ...signer, '-days', String(days), '-extfile', extensions, '-out', cert);
  return { cert, key };
}

function filesOf(
  directory: string,
  name: string,
): Certificate & { readonly request: string; readonly extensions: string } {
  const file = (end: string): string => join(directory, `${name}.${end}`);
  return { cert: file('pem'), key: file('key'), request: file('csr'), extensions: file('ext') };
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
