import { expect } from 'chai';
import fc from 'fast-check';
import type { Logger } from '../../../../../common/log.ts';
import type { ConnectorContext, ConnectRequest } from '../../../../../dataplane/core/protocol.ts';
import type { Framing, Stream } from '../../../../../dataplane/core/stream.ts';
import { decode } from '../../../../../dataplane/protocols/json-decap/codec.ts';
import { createConnector } from '../../../../../dataplane/protocols/json-decap/connector.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';

function decap(framing: Framing) {
  const warnings: unknown[] = [];
  const log = { warn: (fields: unknown) => warnings.push(fields) } as unknown as Logger;
  const connector = createConnector({ name: 'd', log } as ConnectorContext<object>);
  const stream = connector.connect({ session: 's' } as ConnectRequest) as Stream;
  const sink = new RecordingSink();
  stream.adoptFraming?.(framing);
  stream.open(sink);
  return { stream, sink, warnings };
}

const wrap = (payload: string): string => `{"metadata":{},"payload":"${Buffer.from(payload).toString('base64')}"}`;

describe('JSONDecap', () => {
  it('gives the payload of any object that has one', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.jsonValue(), (payload, metadata) => {
        const object = JSON.stringify({ metadata, payload: Buffer.from(payload).toString('base64') });
        expect(decode(Buffer.from(object))?.equals(payload)).to.equal(true);
      }),
    );
  });

  for (const text of [
    '',
    'dummy',
    '7',
    'null',
    '[]',
    '{}',
    '{"payload":7}',
    '{"payload":null}',
    '{"payload":"a"',
    '"payload"',
  ]) {
    it(`drops ${JSON.stringify(text)}`, () => {
      expect(decode(Buffer.from(text))).to.equal(undefined);
    });
  }

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          decode(Buffer.from(bytes));
        },
      ),
    );
  });

  it('takes each datagram as one object, and says once, with a count at the end, that it drops others', () => {
    const { stream, sink, warnings } = decap('datagrams');
    for (const text of [wrap('one'), 'x', wrap('two') + wrap('three'), wrap(''), 'y'])
      stream.write(Buffer.from(text), false);
    expect(sink.events).to.deep.equal(['data:one', 'data:']);
    expect(warnings).to.deep.equal([{ cluster: 'd', session: 's' }]);
    stream.destroy();
    expect(warnings.at(-1)).to.deep.equal({ cluster: 'd', session: 's', dropped: 3 });
  });

  it('finds the objects of a byte stream, wherever its chunks end, and makes datagrams of them', () => {
    const { stream, sink, warnings } = decap('bytes');
    expect(stream.framing).to.equal('datagrams');
    for (const byte of Buffer.from(`${wrap('one')}\n oops ${wrap('two')}${wrap('three')}{"payload":`)) {
      stream.write(Buffer.from([byte]), false);
    }
    stream.end();
    expect(sink.events).to.deep.equal(['data:one', 'data:two', 'data:three', 'end', 'close']);
    expect(warnings.at(-1)).to.deep.include({ dropped: 2 });
  });
});
