/** TLS where plain text was expected: told apart by how its records begin (RFC 8446, section 5.1). Pure. */

const ALERT = 0x15;
const HANDSHAKE = 0x16;
const MAJOR = 3;

/** What a record of TLS is that begins at `at`, for people; undefined where there is none, or too little of it. */
export function tlsRecordAt(bytes: Buffer, at: number): string | undefined {
  if (bytes[at + 1] !== MAJOR) return undefined;
  if (bytes[at] === HANDSHAKE) return 'a TLS handshake';
  return bytes[at] === ALERT ? 'a TLS alert' : undefined;
}
