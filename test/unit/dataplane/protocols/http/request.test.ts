import { expect } from 'chai';
import { ProxyError } from '../../../../../common/errors.ts';
import type { Metadata } from '../../../../../dataplane/core/session.ts';
import {
  outgoingRequest,
  type OutgoingRequest,
  requestMetadata,
} from '../../../../../dataplane/protocols/http/request.ts';
import { SPEC } from '../../../../fuzz/http-request.ts';

/** A request with these fields, `name: value`, that rules changed. */
function sent(
  fields: readonly string[],
  change: (http: Record<string, never>) => void = () => undefined,
  altered = false,
): OutgoingRequest {
  const pairs = fields.map((field) => field.split(': ') as [string, string]);
  const names = pairs.map(([name]) => name);
  const head = {
    method: 'PUT',
    target: '/a?b=c',
    names,
    keys: names.map((name) => name.toLowerCase()),
    values: pairs.map(([, value]) => value),
  };
  const ends = { srcAddress: '::1', srcPort: 1, dstAddress: '::1', dstPort: 2 };
  const metadata = requestMetadata(head, '1.1', { ends, scheme: 'http', metadata: {}, forwarded: 'off' });
  change(metadata['HTTP'] as Record<string, never>);
  return outgoingRequest(metadata, SPEC, '127.0.0.1:80', altered);
}

const set = (path: string, value: unknown) => (http: Metadata) => {
  const [first = '', second] = path.split('.');
  if (second === undefined) http[first] = value as string;
  else (http[first] as Metadata)[second] = value as string;
};

describe('The request that is sent', () => {
  it('is the one that came, without what was of its connection', () => {
    expect(sent(['Host: a', 'X: y', 'Connection: x', 'Content-Length: 5'])).to.deep.include({
      method: 'PUT',
      target: '/a?b=c',
      host: 'a',
      headers: [],
      body: 5,
    });
  });

  it('has a body as long as it came, whatever rules made of its length', () => {
    for (const value of ['7', 'x', 1e9, null]) {
      const change = set('headers.content-length', value);
      expect(sent(['Host: a', 'Content-Length: 5'], change).body, String(value)).to.equal(5);
    }
    expect(sent(['Host: a', 'Content-Length: 5', 'Content-Length: 5']).body).to.equal(5);
    expect(sent(['Host: a', 'Transfer-Encoding: chunked'], set('headers.transfer-encoding', null)).body).to.equal(
      'chunked',
    );
    expect(sent(['Host: a']).body).to.equal(undefined);
  });

  it('has a body of unknown length where it is altered on its way, but none where none came', () => {
    expect(sent(['Host: a', 'Content-Length: 5'], undefined, true).body).to.equal('chunked');
    expect(sent(['Host: a', 'Content-Length: 0'], undefined, true).body).to.equal(undefined);
    expect(sent(['Host: a'], undefined, true).body).to.equal(undefined);
  });

  it('has a path in ASCII, whatever rules made of it', () => {
    const target = (path: string): string => sent(['Host: a'], set('url.path', path)).target;
    expect(target('/ű b')).to.equal('/%C5%B1%20b?b=c');
    expect(target('/\r\n')).to.equal('/%0D%0A?b=c');
    expect(target('/\ud800')).to.equal('/%EF%BF%BD?b=c');
  });

  const refused: Record<string, Metadata> = {
    'a method': { method: 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET' },
    'no method at all': { method: '' },
    'a host': { headers: { host: 'a\r\nx: y' } },
  };
  for (const [what, http] of Object.entries(refused)) {
    it(`is none where a peer's metadata would break it with ${what}`, () => {
      const send = (): unknown => outgoingRequest({ HTTP: http }, SPEC, '127.0.0.1:80', false);
      expect(send)
        .to.throw(ProxyError, /^expected /u)
        .with.property('code', 'PROTOCOL_ERROR');
    });
  }
});
