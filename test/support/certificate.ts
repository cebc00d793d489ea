/** Certificates that openssl makes, for tests of TLS. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Files in PEM. */
  readonly cert: string;
  readonly key: string;
}

/** A certificate for names as in `DNS:a.example` or `IP:127.0.0.1`: of `issuer`, or its own authority where there is none. */
export function makeCertificate(directory: string, name: string, subjects: string, issuer?: Certificate): Certificate {
  const [cert, key, request] = ['crt', 'key', 'csr'].map((end) => join(directory, `${name}.${end}`)) as [
    string,
    string,
    string,
  ];
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
  const subject = ['-subj', `/CN=${name}`];
  if (issuer === undefined) {
    openssl('req', '-x509', ...newKey, ...subject, '-days', '2', '-addext', `subjectAltName=${subjects}`, '-out', cert);
  } else {
    openssl('req', ...newKey, ...subject, '-out', request);
    const extensions = join(directory, `${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${subjects}\n`);
    const signing = ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial', '-extfile', extensions];
    openssl('x509', '-req', '-in', request, ...signing, '-days', '2', '-out', cert);
  }
  return { cert, key };
}
