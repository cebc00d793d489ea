import { expect } from 'chai';
import { createRedaction } from '../../../../dataplane/taps/redaction.ts';

const of = (redact: readonly string[] = [], secrets = false) => createRedaction({ redact, secrets });
const bytes = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('what a tap does not show', () => {
  const metadata = {
    name: 'one',
    HTTP: { url: { path: '/a', query: 'key=1' }, headers: { authorization: 'Bearer x', Cookie: 'a=b', accept: '*' } },
    list: [{ 'Set-Cookie': 'c=d' }],
  };

  it('are secrets of headers, wherever they stand in the metadata, unless they are asked for', () => {
    expect(of().metadata(metadata)).to.deep.equal({
      name: 'one',
      HTTP: {
        url: { path: '/a', query: 'key=1' },
        headers: { authorization: '<REDACTED>', Cookie: '<REDACTED>', accept: '*' },
      },
      list: [{ 'Set-Cookie': '<REDACTED>' }],
    });
    expect(of([], true).metadata(metadata)).to.deep.equal(metadata);
  });

  it('are fields by name and parts by pointer, beside the secrets; what is there stays as it was', () => {
    const before = structuredClone(metadata);
    const shown = of(['Accept', '/HTTP/url/query', '/nothing/there']).metadata(metadata);
    expect(shown).to.have.nested.property('HTTP.url.query', '<REDACTED>');
    expect(shown).to.have.nested.property('HTTP.headers.accept', '<REDACTED>');
    expect(shown).to.have.nested.property('HTTP.headers.authorization', '<REDACTED>');
    expect(shown).to.not.have.property('nothing');
    expect(metadata).to.deep.equal(before);
  });

  it('are values of header fields, whatever their case', () => {
    expect(of(['x-key']).headers(['SET-COOKIE', 'a=b', 'X-Key', 'k', 'Server', 'cookie'])).to.deep.equal([
      'SET-COOKIE',
      '<REDACTED>',
      'X-Key',
      '<REDACTED>',
      'Server',
      'cookie',
    ]);
  });

  describe('of payloads', () => {
    it('is nothing where nobody says so', () => {
      const payload = bytes('Authorization: Basic x');
      expect(of().payload(payload)).to.equal(payload);
    });

    it('is all', () => {
      expect(of(['payload']).payload(bytes('x'))).to.equal(undefined);
    });

    const parts = of(['payload:/card/number', 'payload:/pin']);
    for (const [what, payload, shown] of [
      ['parts of JSON', { card: { number: 1, name: 'a' } }, { card: { number: '<REDACTED>', name: 'a' } }],
      ['nothing of JSON without them', { card: { name: 'a' } }, { card: { name: 'a' } }],
      ['nothing of a number', 5, 5],
      ['all that is no JSON', 'number=1', undefined],
      ['all of JSON that is cut off', '{"pin":1', undefined],
      ['all of bytes that are no UTF-8', '\xff', undefined],
    ] as const) {
      it(`is ${what}`, () => {
        const found = parts.payload(bytes(payload));
        expect(found && JSON.parse(found.toString())).to.deep.equal(shown);
      });
    }

    it('is all of what takes long to read', () => {
      expect(parts.payload(bytes(JSON.stringify('x'.repeat(1024 * 1024))))).to.equal(undefined);
    });

    it('is all of JSON where the pointer is to the whole', () => {
      expect(
        of(['payload:/'])
          .payload(bytes({ '': 1 }))
          ?.toString(),
      ).to.equal('{"":"<REDACTED>"}');
    });
  });
});
