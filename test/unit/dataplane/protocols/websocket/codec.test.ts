import { expect } from 'chai';
import fc from 'fast-check';
import {
  completeLength,
  handshakeFault,
  isSendable,
  subprotocolsOf,
  truncateReason,
} from '../../../../../dataplane/protocols/websocket/codec.ts';

const HEADERS = {
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', // RFC 6455, section 1.3
};

describe("WebSocket's codec", () => {
  describe('judges a handshake', () => {
    it('takes a good one, whatever the case of its upgrade', () => {
      expect(handshakeFault('GET', HEADERS)).to.equal(undefined);
      expect(handshakeFault('GET', { ...HEADERS, upgrade: 'WebSocket' })).to.equal(undefined);
    });

    for (const [what, method, headers, status] of [
      ['no upgrade', 'GET', { upgrade: undefined }, 426],
      ['another upgrade', 'GET', { upgrade: 'h2c' }, 426],
      ['another method', 'POST', {}, 405],
      ['no method', undefined, {}, 405],
      ['an old version', 'GET', { 'sec-websocket-version': '8' }, 426],
      ['no version', 'GET', { 'sec-websocket-version': undefined }, 426],
      ['no key', 'GET', { 'sec-websocket-key': undefined }, 400],
      ['a short key', 'GET', { 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' }, 400],
      ['a long key', 'GET', { 'sec-websocket-key': `${HEADERS['sec-websocket-key']}AAAA` }, 400],
      ['malformed subprotocols', 'GET', { 'sec-websocket-protocol': 'a b' }, 400],
    ] as const) {
      it(`answers ${status} where there is ${what}`, () => {
        const fault = handshakeFault(method, { ...HEADERS, ...headers });
        expect(fault).to.include({ status });
        expect(fault?.expected).not.to.equal('');
      });
    }

    it('never throws, whatever the fields hold', () => {
      fc.assert(
        fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (upgrade, version, key, protocol) => {
          handshakeFault('GET', {
            upgrade,
            'sec-websocket-version': version,
            'sec-websocket-key': key,
            'sec-websocket-protocol': protocol,
          });
        }),
      );
    });
  });

  describe('reads subprotocols', () => {
    const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~\dA-Za-z]{1,20}$/u);

    it('in their order, with spaces between them', () => {
      fc.assert(
        fc.property(fc.uniqueArray(token, { minLength: 1 }), fc.constantFrom(',', ', ', ' ,\t'), (names, comma) => {
          expect(subprotocolsOf(names.join(comma))).to.deep.equal(names);
        }),
      );
    });

    it('as none where there is no field', () => expect(subprotocolsOf(undefined)).to.deep.equal([]));

    for (const field of ['', ',', 'a,', 'a,,b', 'a b', 'a, a', 'a;q=1', '"a"', 'é', 'a\nb', ','.repeat(100_000)]) {
      it(`not of ${JSON.stringify(field.slice(0, 10))}`, () => expect(subprotocolsOf(field)).to.equal(undefined));
    }
  });

  it('knows which codes a close frame may have', () => {
    const sendable = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999];
    const others = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535, 1000.5 + 4000, NaN];
    expect(sendable.filter((code) => !isSendable(code))).to.deep.equal([]);
    expect(others.filter(isSendable)).to.deep.equal([]);
  });

  describe('cuts text between characters', () => {
    const unicode = fc.string({ unit: 'binary' });

    it('so that what fits is a beginning of it, and valid', () => {
      fc.assert(
        fc.property(unicode, fc.nat(), (text, at) => {
          const bytes = Buffer.from(text).subarray(0, at % (Buffer.byteLength(text) + 1));
          const length = completeLength(bytes);
          expect(length).to.be.within(Math.max(0, bytes.length - 3), bytes.length);
          const whole = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length));
          expect(text.startsWith(whole)).to.equal(true);
        }),
      );
    });

    it('and stays within any bytes', () => {
      fc.assert(
        fc.property(fc.uint8Array(), (bytes) => {
          const length = completeLength(Buffer.from(bytes));
          expect(length).to.be.within(Math.max(0, bytes.length - 3), bytes.length);
        }),
      );
    });

    it('and a reason to the 123 bytes that a close frame takes', () => {
      expect(truncateReason('x'.repeat(123))).to.have.length(123);
      expect(truncateReason('x'.repeat(124))).to.have.length(123);
      expect(truncateReason('é'.repeat(100))).to.equal('é'.repeat(61));
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (reason) => {
          expect(Buffer.byteLength(truncateReason(reason))).to.be.at.most(123);
        }),
      );
    });
  });
});
