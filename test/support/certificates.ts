/** An authority and the certificates that it signs, made by openssl. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Files. */
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
  private readonly key: string;

  constructor(directory: string, name: string) {
    this.directory = directory;
    this.file = join(directory, `${name}.pem`);
    this.key = join(directory, `${name}.key`);
    openssl('req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.key, '-out', this.file);
  }

  /** Signs a certificate; its files are called so. */
  issue(file: string, { subject, names, days = 2 }: CertificateOptions): Certificate {
    const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((end) =>
      join(this.directory, `${file}.${end}`),
    ) as [string, string, string, string];
    writeFileSync(extensions, names === undefined ? 'basicConstraints=CA:FALSE' : `subjectAltName=${names}`);
    openssl('req', ...KEY, '-subj', subject, '-keyout', key, '-out', request);
    const signer = ['-CA', this.file, '-CAkey', this.key, '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, ...signer, '-days', String(days), '-extfile', extensions, '-out', cert);
    return { cert, key };
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
