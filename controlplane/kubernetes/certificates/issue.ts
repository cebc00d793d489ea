/** Makes certificates: an authority, and what it signs. ECDSA on P-256, which every TLS stack of today takes. */
import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** PEM texts. */
export interface KeyPair {
  readonly cert: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** id-kp-serverAuth of RFC 5280, 4.2.1.12. */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

type X509 = typeof import('@peculiar/x509');

/** The library and what it has its metadata in are loaded where a certificate is made, which is rare. */
async function load(): Promise<X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** An authority that is its own, and signs no other ones. */
export async function makeAuthority(validity: Validity): Promise<KeyPair> {
  const x509 = await load();
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    // Authorities that follow each other must not be taken for each other: clients look for them by name.
    name: `CN=l7mp control plane ${validity.notBefore.toISOString().slice(0, 19)}`,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(cert.toString('pem')), key: await keyOf(keys.privateKey) };
}

/** A server's certificate for DNS names and IP addresses. */
export async function issueServer(authority: KeyPair, names: readonly string[], validity: Validity): Promise<KeyPair> {
  const x509 = await load();
  const keys = await newKeys();
  const issuer = new x509.X509Certificate(authority.cert);
  const cert = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=l7mp control plane',
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { cert: pem(cert.toString('pem')), key: await keyOf(keys.privateKey) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function keyOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/gu) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

function importKey(text: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(text.replace(/-----[^-]+-----|\s/gu, ''), 'base64');
  return crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

function pem(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
