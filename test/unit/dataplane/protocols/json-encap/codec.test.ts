import { expect } from 'chai';
import fc from 'fast-check';
import type { ConnectRequest } from '../../../../../dataplane/core/protocol.ts';
import type { Stream } from '../../../../../dataplane/core/stream.ts';
import { createEncoder } from '../../../../../dataplane/protocols/json-encap/codec.ts';
import { createConnector } from '../../../../../dataplane/protocols/json-encap/connector.ts';
import type { Json } from '../../../../../gen/l7mp/config/v1/types.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';

describe('JSONEncap', () => {
  it('makes an object of the metadata and the payload in base64, whatever they are', () => {
    const metadata = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue() as fc.Arbitrary<Json>);
    fc.assert(
      fc.property(metadata, fc.array(fc.uint8Array()), (known, payloads) => {
        const encode = createEncoder(known);
        for (const payload of payloads) {
          const object = JSON.parse(encode(Buffer.from(payload)).toString()) as { metadata: Json; payload: string };
          expect(object.metadata).to.deep.equal(JSON.parse(JSON.stringify(known)));
          expect(Buffer.from(object.payload, 'base64').equals(payload)).to.equal(true);
          expect(object.payload).to.equal(Buffer.from(payload).toString('base64'));
        }
      }),
    );
  });

  it('makes a text message of each chunk, of byte streams and datagrams alike', () => {
    const stream = createConnector().connect({ metadata: { name: 's' } } as unknown as ConnectRequest) as Stream;
    const sink = new RecordingSink();
    stream.adoptFraming?.('bytes');
    expect(stream.framing).to.equal('datagrams');
    stream.open(sink);
    stream.write(Buffer.from('hello'), false);
    stream.write(Buffer.alloc(0), false);
    expect(sink.chunks.map(String)).to.deep.equal([
      '{"metadata":{"name":"s"},"payload":"aGVsbG8="}',
      '{"metadata":{"name":"s"},"payload":""}',
    ]);
    expect(sink.texts).to.deep.equal([true, true]);
  });
});
