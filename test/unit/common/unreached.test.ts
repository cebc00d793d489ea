import { expect } from 'chai';
import { reasonOf } from '../../../common/unreached.ts';

describe('why a server could not be reached', () => {
  const reason = (details: string): string => reasonOf(details, '--ca');
  const ended = (error: string): string => `No connection established. Last error: ${error}. Resolution note: `;

  it('is the last thing that went wrong, without what grpc-js puts around it', () => {
    expect(reason(ended('Error: connect ECONNREFUSED 127.0.0.1:1'))).to.equal('connect ECONNREFUSED 127.0.0.1:1');
    expect(reason(ended('Error [ERR_TLS_CERT_ALTNAME_INVALID]: no such name'))).to.equal('no such name');
    // What OpenSSL says ends with the line.
    const plain = '80CB:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl3_record.c:354:\n';
    expect(reason(ended(`Error: ${plain}`))).to.match(
      /^expected TLS, found something else: .*wrong version number\)$/u,
    );
  });

  it('is told in words where grpc-js has none', () => {
    expect(reason('Last error: Failed to connect (2026-11-27T11:07:56.244Z)')).to.contain('it may want TLS (--ca)');
    expect(reason('Last error: Protocol error (2026-11-27T11:07:56.244Z)')).to.contain('it does not speak HTTP/2');
  });
});
