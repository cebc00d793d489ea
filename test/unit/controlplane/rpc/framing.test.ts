/** gRPC's frames, cut in all ways, and the fields of its headers. */
import { expect } from 'chai';
import fc from 'fast-check';
import { RpcError, STATUS } from '../../../../controlplane/core/rpc.ts';
import { FrameDecoder, frame } from '../../../../controlplane/rpc/framing.ts';
import { isGrpc, percentEncode, timeoutOf, trailersOf } from '../../../../controlplane/rpc/metadata.ts';
import { fuzz } from '../../../fuzz/grpc-frames.ts';

describe('gRPC frames', () => {
  it('are the same messages however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 9000 }),
        (messages, step) => {
          const bytes = Buffer.concat(messages.flatMap((each) => frame([Buffer.from(each)])));
          const found: Buffer[] = [];
          const decoder = new FrameDecoder(9000, (message) => found.push(Buffer.from(message)));
          for (let at = 0; at < bytes.length; at += step) decoder.push(bytes.subarray(at, at + step));
          expect(found.map((each) => each.toString('hex'))).to.deep.equal(
            messages.map((each) => Buffer.from(each).toString('hex')),
          );
          expect(decoder.pending).to.equal(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of parts are not copied where they are large', () => {
    const part = Buffer.alloc(5000);
    expect(frame([part, part])[1]).to.equal(part);
    expect(Buffer.concat(frame([Buffer.from('a'), Buffer.from('b')]))).to.deep.equal(Buffer.from('\0\0\0\0\x02ab'));
  });

  it('that are too large or compressed are refused at their header', () => {
    const push = (text: string) => (): void => new FrameDecoder(10, () => {}).push(Buffer.from(text, 'latin1'));
    expect(push('\0\0\0\0\x0b')).to.throw(RpcError, 'at most 10 bytes, found one of 11').with.property('code', 8);
    expect(push('\x01\0\0\0\x01')).to.throw(RpcError, 'not compressed').with.property('code', 12);
  });

  it('are not given room before they come', () => {
    const decoder = new FrameDecoder(2 ** 30, () => {});
    const before = process.memoryUsage().arrayBuffers;
    decoder.push(Buffer.from([0, 0x3f, 0xff, 0xff, 0xff, 1]));
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(2 ** 20);
    expect(decoder.pending).to.equal(6);
  });

  it('hold against any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        fuzz(Buffer.from(data));
      }),
      { numRuns: 500 },
    );
  });
});

describe('gRPC header fields', () => {
  it('tell a time', () => {
    for (const [text, ms] of [
      ['1H', 3_600_000],
      ['2M', 120_000],
      ['3S', 3000],
      ['4m', 4],
      ['5000u', 5],
      ['1n', 1],
      ['99999999H', undefined],
    ] as const) {
      expect(timeoutOf({ 'grpc-timeout': text }), text).to.equal(ms);
    }
    for (const text of ['', '1', 'S', '-1S', '1.5S', '123456789S']) {
      expect(() => timeoutOf({ 'grpc-timeout': text }), text).to.throw(RpcError, 'grpc-timeout');
    }
  });

  it('tell what is gRPC', () => {
    for (const text of ['application/grpc', 'application/grpc+proto', 'application/grpc; charset=x']) {
      expect(isGrpc(text), text).to.equal(true);
    }
    for (const text of [undefined, 'application/grpc-web', 'application/json', 'application/grpc+json']) {
      expect(isGrpc(text), text).to.equal(false);
    }
  });

  it('carry messages in percent-encoding that gives them back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => {
        const encoded = percentEncode(text);
        expect(encoded).to.match(/^[\x20-\x7e]*$/u);
        expect(decodeURIComponent(encoded)).to.equal(text);
      }),
    );
  });

  it('leave out details that are too large for a field', () => {
    const detail = (bytes: number) => [{ type_url: 't', value: Buffer.alloc(bytes) }];
    expect(trailersOf(STATUS.ABORTED, 'm', detail(10))).to.include.keys('grpc-status-details-bin');
    expect(trailersOf(STATUS.ABORTED, 'm', detail(10_000))).to.deep.equal({ 'grpc-status': '10', 'grpc-message': 'm' });
  });
});
