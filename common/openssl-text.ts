/** What OpenSSL says, in plain words. */

/** As in `error:0A00010B:SSL routines:ssl3_get_record:wrong version number`, with what Node.js puts around it. */
const PATTERN = /(?:[0-9A-F]+:)?(error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:([^:\n]+))(?::[^\n]*)?\n?/u;

/** Words by OpenSSL's reason (openssl/crypto/err/openssl.txt). Those that are absent speak for themselves. */
const WORDS: Readonly<Record<string, string>> = {
  'wrong version number': 'expected TLS, found something else: perhaps the other side speaks plain text on this port',
  'packet length too long': 'expected TLS, found something else: perhaps the other side speaks plain text on this port',
  'bad record type': 'expected TLS, found something else: perhaps the other side speaks plain text on this port',
  'http request': 'expected TLS, found an HTTP request in plain text',
  'https proxy request': 'expected TLS, found an HTTP CONNECT in plain text',
  'unexpected eof while reading': 'the other side closed the connection without a word of TLS',
  'no shared cipher': 'the two sides have no cipher in common',
  'unsupported protocol': 'the two sides have no version of TLS in common',
  'no protocols available': 'the two sides have no version of TLS in common',
  'no application protocol': 'the two sides have no application protocol (ALPN) in common',
  'no suitable signature algorithm': 'the two sides have no signature algorithm in common',
  'certificate verify failed': "the other side's certificate is not signed by an authority that is trusted here",
  'peer did not return a certificate': 'expected a client certificate, found none',
  'key values mismatch': 'the key is not that of the certificate',
  'no start line': 'no text in PEM',
  'ee key too small': 'the key of the certificate is too short',
};

/** The same of alerts that the other side sent, by their name: OpenSSL puts what varies in front. */
const ALERTS: Readonly<Record<string, string>> = {
  'unknown ca': 'the other side does not know the authority of the certificate that it was shown',
  'bad certificate': 'the other side refused the certificate that it was shown',
  'certificate unknown': 'the other side refused the certificate that it was shown',
  'certificate expired': 'the other side says that the certificate that it was shown has expired',
  'certificate revoked': 'the other side says that the certificate that it was shown was revoked',
  'certificate required': 'the other side expected a client certificate, and was shown none',
  'handshake failure': 'the other side found nothing that both support, or expected a client certificate',
  'protocol version': 'the other side does not take the versions of TLS that it was offered',
  'unrecognized name': 'the other side does not know the server name that it was asked for',
  'no application protocol': 'the other side speaks none of the application protocols (ALPN) that it was offered',
};

/** The message with plain words in front of what OpenSSL says, which stays in brackets. */
export function withPlainWords(message: string): string {
  return message.replace(PATTERN, (_all, text: string, reason: string) => {
    const alert = / alert (?:number \d+ )?(.*)$/u.exec(reason)?.[1];
    const words = alert === undefined ? WORDS[reason] : ALERTS[alert];
    return `${words ?? reason} (${text})`;
  });
}
