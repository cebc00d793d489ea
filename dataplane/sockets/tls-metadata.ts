/** `TLS` in a session's metadata: what was agreed on, and who the client is. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { Metadata } from '../core/session.ts';
import { alternativeNames } from './tls-names.ts';

export function tlsMetadata(socket: TLSSocket): Metadata {
  const { servername, alpnProtocol } = socket;
  const certificate = socket.getPeerX509Certificate();
  return {
    TLS: {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher().name,
      authorized: socket.authorized,
      ...(typeof servername === 'string' && { sni: servername }),
      ...(typeof alpnProtocol === 'string' && { alpn: alpnProtocol }),
      ...(certificate && { peer_certificate: certificateMetadata(certificate) }),
    },
  };
}

function certificateMetadata(certificate: X509Certificate): Metadata {
  const { subject, issuer } = certificate.toLegacyObject();
  const { serialNumber, fingerprint256, validTo, subjectAltName } = certificate;
  return {
    subject: nameMetadata(subject),
    issuer: nameMetadata(issuer),
    serial: serialNumber,
    fingerprint: fingerprint256,
    valid_to: validTo,
    ...(subjectAltName !== undefined && { san: alternativeNames(subjectAltName) }),
  };
}

/** `{CN: "joe", O: "example"}`: a rule can test the whole of a field. One that recurs is a list. */
function nameMetadata(name: object): Metadata {
  return { ...(name as Record<string, Json>) };
}
