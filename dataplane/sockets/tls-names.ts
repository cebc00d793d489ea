/** Subject alternative names of certificates, as Node.js writes them, and whether one that is wanted is among them. */
import type { PeerCertificate } from 'node:tls';
import type { SubjectAltName } from '../../gen/l7mp/config/v1/types.ts';
import { loadTls } from '../../common/tls.ts';

/** `DNS:a.example, IP Address:10.0.0.1`: a name with a comma in it is written as a JSON string. */
export function alternativeNames(text: string): string[] {
  return text.split(/, (?=(?:[^"]*"[^"]*")*[^"]*$)/u);
}

/** Why a certificate with these names is for none that is wanted; undefined: it is for one. What else it says doesn't count. */
export function nameFault(wanted: readonly SubjectAltName[], text = ''): Error | undefined {
  const found = alternativeNames(text);
  const isFor = ({ dns, uri }: SubjectAltName): boolean =>
    (dns !== undefined && isForHost(dns, text, found)) || (uri !== undefined && found.includes(written('URI', uri)));
  if (wanted.some(isFor)) return undefined;
  const expected = wanted.map(({ dns, uri }) => dns ?? uri).join(' or ');
  return new Error(`expected a certificate for ${expected}, found one for ${text || 'no names'}`);
}

/** A wanted `*.example.org` is met by any name of one label more. */
function isForHost(host: string, text: string, found: readonly string[]): boolean {
  if (!host.startsWith('*.')) {
    return loadTls().checkServerIdentity(host, { subjectaltname: text } as PeerCertificate) === undefined;
  }
  const suffix = host.slice(1).toLowerCase();
  return found.some((each) => {
    const name = each.toLowerCase();
    const dot = name.indexOf('.');
    return name.startsWith('dns:') && dot > 0 && name.slice(dot) === suffix;
  });
}

function written(type: string, value: string): string {
  return `${type}:${/[",\\]/u.test(value) ? JSON.stringify(value) : value}`;
}
