import { expect } from 'chai';
import { ProxyError } from '../../../common/errors.ts';
import { withPlainWords } from '../../../common/openssl-text.ts';

const VERSION = 'error:0A00010B:SSL routines:ssl3_get_record:wrong version number';
const ALERT = 'error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca';

describe("OpenSSL's texts", () => {
  it('are told in plain words, with the original behind', () => {
    const node = `C0:${VERSION}:../deps/openssl/openssl/ssl/record/ssl3_record.c:354:\n`.replace(
      'C0',
      '80CB7D2C027F0000',
    );
    expect(withPlainWords(node)).to.match(
      /^expected TLS, found something else: perhaps .* on this port \(error:0A.*number\)$/u,
    );
    expect(ProxyError.from(new Error(node)).message).to.equal(withPlainWords(node));
  });

  it('are told the same way where they are alerts of the other side, whatever OpenSSL puts in front', () => {
    for (const text of [ALERT, ALERT.replace('tlsv1', 'ssl/tls')]) {
      expect(withPlainWords(`${text}:../x.c:1:SSL alert number 48\n`)).to.equal(
        `the other side does not know the authority of the certificate that it was shown (${text})`,
      );
    }
  });

  it('speak for themselves where there are no better words', () => {
    expect(withPlainWords('error:0A000001:SSL routines::something new')).to.equal(
      'something new (error:0A000001:SSL routines::something new)',
    );
    expect(withPlainWords('Last error: Error: error:0A000001:SSL routines::x and more')).to.match(
      /^Last error: Error: x and more \(/u,
    );
    expect(withPlainWords('connect ECONNREFUSED 127.0.0.1:1')).to.equal('connect ECONNREFUSED 127.0.0.1:1');
  });
});
