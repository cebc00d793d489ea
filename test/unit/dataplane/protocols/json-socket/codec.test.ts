import { expect } from 'chai';
import fc from 'fast-check';
import {
  createHeaderBuilder,
  encodeAnswer,
  HeaderReader,
  parseRequest,
  parseResponse,
} from '../../../../../dataplane/protocols/json-socket/codec.ts';
import type { Json, JsonSocketHeader } from '../../../../../gen/l7mp/config/v1/types.ts';

const bytes = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe("JSONSocket's headers", () => {
  describe('of clients', () => {
    for (const [what, header, status] of [
      ['text', 'dummy', 400],
      ['a list', [], 400],
      ['null', null, 400],
      ['no version', { dummy: 1 }, 400],
      ['a version that is no number', { JSONSocketVersion: 'a' }, 400],
      ['a version in quotes', { JSONSocketVersion: '1' }, 400],
      ['a fraction of a version', { JSONSocketVersion: 0.4 }, 400],
      ['version 0', { JSONSocketVersion: 0 }, 400],
      ['version -1', { JSONSocketVersion: -1 }, 400],
      ['version 2', { JSONSocketVersion: 2 }, 505],
    ] as const) {
      it(`are answered with ${status} where they are ${what}`, () => {
        expect(parseRequest(bytes(header)).refusal?.status).to.equal(status);
      });
    }

    it('may hold anything beside the version', () => {
      const header = { JSONSocketVersion: 1, some: { nested: { meta: 'data' } }, ['__proto__']: { a: 1 } };
      expect(parseRequest(bytes(header))).to.deep.equal({ header });
    });
  });

  describe('of servers', () => {
    it('are good with any status of 2xx', () => {
      for (const status of [200, 204, 299]) {
        expect(parseResponse(encodeAnswer({ status, message: 'OK' }))).to.have.property('header');
      }
    });

    it('are refusals with any other', () => {
      expect(parseResponse(encodeAnswer({ status: 503, message: 'busy' }))).to.deep.equal({
        refusal: { status: 503, message: 'busy' },
      });
    });

    for (const [what, answer] of [
      ['no JSON', 'HTTP/1.1 200 OK'],
      ['without a version', { JSONSocketStatus: 200 }],
      ['of another version', { JSONSocketVersion: 2, JSONSocketStatus: 200 }],
      ['without a status', { JSONSocketVersion: 1 }],
      ['with a status that is no number', { JSONSocketVersion: 1, JSONSocketStatus: '200' }],
      ['with a status that is none of HTTP', { JSONSocketVersion: 1, JSONSocketStatus: 20 }],
    ] as const) {
      it(`are not taken where they are ${what}`, () => {
        expect(parseResponse(bytes(answer)).refusal?.status).to.equal(400);
      });
    }
  });

  describe('on a byte stream', () => {
    const header = fc
      .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }))
      .map((members) => ({ ...members, JSONSocketVersion: 1 }));

    it('end where the object ends, wherever chunks do; what is behind them is payload', () => {
      fc.assert(
        fc.property(header, fc.uint8Array(), fc.array(fc.nat()), (value, payload, places) => {
          const stream = Buffer.concat([bytes(value), payload]);
          const at = [...places.map((place) => place % (stream.length + 1)), stream.length].sort((a, b) => a - b);
          const reader = new HeaderReader('bytes', 1 << 20, parseRequest);
          let rest = Buffer.alloc(0);
          let found: unknown;
          at.forEach((end, index) => {
            const chunk = stream.subarray(at[index - 1] ?? 0, end);
            if (found !== undefined) {
              rest = Buffer.concat([rest, chunk]);
              return;
            }
            const received = reader.push(chunk);
            if (received === undefined) return;
            if (received.refusal) throw new Error(received.refusal.message);
            found = received.header;
            rest = Buffer.from(received.rest);
          });
          expect(found).to.deep.equal(JSON.parse(JSON.stringify(value)));
          expect(rest.equals(payload)).to.equal(true);
        }),
      );
    });

    it('may have white space in front', () => {
      const reader = new HeaderReader('bytes', 100, parseRequest);
      expect(reader.push(Buffer.from('\r\n'))).to.equal(undefined);
      expect(reader.push(Buffer.from(' {"JSONSocketVersion":1}x'))).to.deep.include({ rest: Buffer.from('x') });
    });

    it('are refused at the first byte that begins no object', () => {
      expect(new HeaderReader('bytes', 100, parseRequest).push(Buffer.from('G'))).to.have.nested.property(
        'refusal.status',
        400,
      );
    });

    it('are refused as soon as they are too long or too deep', () => {
      const long = new HeaderReader('bytes', 32, parseRequest);
      expect(long.push(Buffer.from('{"a":"'))).to.equal(undefined);
      expect(long.push(Buffer.alloc(32, 'x'))?.refusal?.status).to.equal(400);
      const deep = new HeaderReader('bytes', 100_000, parseRequest);
      expect(deep.push(Buffer.from('{"a":' + '['.repeat(50_000)))?.refusal?.status).to.equal(400);
    });
  });

  it('are a whole datagram, and nothing else', () => {
    const read = (text: string) => new HeaderReader('datagrams', 100, parseRequest).push(Buffer.from(text));
    expect(read('{"JSONSocketVersion":1}\n')).to.have.property('header');
    expect(read('{"JSONSocketVersion":1}payload')?.refusal?.status).to.equal(400);
    expect(read('{"JSONSocketVersion":1')?.refusal?.status).to.equal(400);
    expect(read('')?.refusal?.status).to.equal(400);
  });

  it('never make hostile bytes throw', () => {
    const framing = fc.constantFrom('bytes' as const, 'datagrams' as const);
    fc.assert(
      fc.property(
        framing,
        fc.array(
          fc.oneof(
            fc.uint8Array(),
            fc.json().map((text) => Buffer.from(text)),
          ),
        ),
        (kind, chunks) => {
          const reader = new HeaderReader(kind, 256, parseRequest);
          for (const chunk of chunks) if (reader.push(Buffer.from(chunk))) return;
        },
      ),
    );
  });

  describe('that a cluster makes', () => {
    const metadata = { name: 's', IP: { src_addr: '10.0.0.1' }, deep: { down: { here: [1] } } };
    const build = (...header: JsonSocketHeader[]): unknown =>
      JSON.parse(createHeaderBuilder(header)(metadata).toString()) as Json;

    it('hold nothing but the version, unless told otherwise', () => {
      expect(build()).to.deep.equal({ JSONSocketVersion: 1 });
    });

    it('copy parts of the metadata to where they are told', () => {
      expect(build({ path: { from: '/IP/src_addr', to: '/client/address' } })).to.deep.equal({
        JSONSocketVersion: 1,
        client: { address: '10.0.0.1' },
      });
    });

    it('take the members of an object, and the place of any other value, where no place is told', () => {
      expect(build({ path: { from: '/deep' } }, { path: { from: '/IP/src_addr' } })).to.deep.equal({
        JSONSocketVersion: 1,
        down: { here: [1] },
        IP: { src_addr: '10.0.0.1' },
      });
    });

    it('take all metadata with `/`', () => {
      expect(build({ path: { from: '/', to: '/' } })).to.deep.equal({ ...metadata, JSONSocketVersion: 1 });
    });

    it('set constants by key or by pointer, in order, and never another version', () => {
      expect(
        build(
          { set: { key: 'plain', value: 1 } },
          { set: { key: '/a/b', value: { c: null } } },
          { set: { key: 'a/d', value: [] } },
          { set: { key: 'plain', value: 2 } },
          { set: { key: 'JSONSocketVersion', value: 7 } },
        ),
      ).to.deep.equal({ JSONSocketVersion: 1, plain: 2, a: { b: { c: null }, d: [] } });
    });

    it('leave out what the metadata does not have', () => {
      expect(build({ path: { from: '/no/such', to: '/x' } })).to.deep.equal({ JSONSocketVersion: 1 });
    });

    it('leave the metadata as it is, whatever is set inside a copy', () => {
      build({ path: { from: '/IP', to: '/IP' } }, { set: { key: '/IP/src_addr', value: 'changed' } });
      expect(metadata.IP.src_addr).to.equal('10.0.0.1');
    });
  });
});
