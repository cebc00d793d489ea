import { expect } from 'chai';
import { ProxyError } from '../../../../../common/errors.ts';
import type { ConnectorContext, ConnectRequest } from '../../../../../dataplane/core/protocol.ts';
import type { Metadata } from '../../../../../dataplane/core/session.ts';
import type { Framing, Stream } from '../../../../../dataplane/core/stream.ts';
import { createConnector } from '../../../../../dataplane/protocols/sync/connector.ts';
import type { SyncCluster } from '../../../../../gen/l7mp/config/v1/types.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';

function room(query = '/room') {
  const connector = createConnector({ name: 'c', spec: { query } } as ConnectorContext<SyncCluster>);
  return (metadata: Metadata, framing: Framing = 'datagrams') => {
    const stream = connector.connect({ metadata } as ConnectRequest) as Stream;
    const sink = new RecordingSink();
    stream.adoptFraming?.(framing);
    stream.open(sink);
    return { stream, sink, say: (text: string, isText = false) => stream.write(Buffer.from(text), isText) };
  };
}

describe('Sync', () => {
  it('gives what one writes to all others with the same value, and to nobody else', () => {
    const join = room();
    const [a, b, c, d] = [join({ room: 1 }), join({ room: 1 }), join({ room: 1 }), join({ room: '1' })];
    expect(a.say('hello', true)).to.equal(true);
    expect(a.sink.events).to.deep.equal([]);
    expect(b.sink.events).to.deep.equal(['data:hello']);
    expect(c.sink.events).to.deep.equal(['data:hello']);
    expect(c.sink.texts).to.deep.equal([true]);
    expect(d.sink.events).to.deep.equal([]);
  });

  it('compares objects by what is in them', () => {
    const join = room();
    const [a, b] = [join({ room: { x: [1] } }), join({ room: { x: [1] } })];
    a.say('hello');
    expect(b.sink.events).to.deep.equal(['data:hello']);
  });

  it('goes on for the others when one leaves', () => {
    const join = room();
    const [a, b, c] = [join({ room: 1 }), join({ room: 1 }), join({ room: 1 })];
    b.stream.destroy(new ProxyError('DELETED', 'by hand'));
    a.say('still here?');
    c.say('yes');
    expect(a.sink.events).to.deep.equal(['data:yes']);
    expect(b.sink.events).to.deep.equal(['close:DELETED']);
    expect(c.sink.events).to.deep.equal(['data:still here?']);
    b.say('nobody hears me');
    expect(a.sink.events).to.have.length(1);
  });

  it('lets one who has said everything hear the others', () => {
    const join = room();
    const [a, b] = [join({ room: 1 }), join({ room: 1 })];
    a.stream.end();
    b.say('hello');
    expect(a.sink.events).to.deep.equal(['data:hello']);
    expect(a.stream.halfClose, 'nobody is told of the end').to.equal(false);
  });

  it('drops what one writes who is alone, and welcomes who comes later', () => {
    const join = room();
    const a = join({ room: 1 });
    a.say('anybody?');
    a.stream.destroy();
    const [b, c] = [join({ room: 1 }), join({ room: 1 })];
    c.say('me');
    expect(b.sink.events).to.deep.equal(['data:me']);
  });

  it('holds nobody back: what the slow have no room for, their session queues or drops', () => {
    const join = room();
    const [a, b] = [join({ room: 1 }), join({ room: 1 })];
    b.stream.pause();
    expect(a.say('on and on')).to.equal(true);
    expect(b.stream.reliable).to.equal(false);
  });

  it('cuts what comes of byte streams for those who read datagrams', () => {
    const join = room();
    const [bytes, datagrams, more] = [join({ room: 1 }, 'bytes'), join({ room: 1 }), join({ room: 1 }, 'bytes')];
    bytes.say('x'.repeat(3000));
    expect(datagrams.sink.chunks.map(({ length }) => length)).to.deep.equal([1452, 1452, 96]);
    expect(more.sink.chunks.map(({ length }) => length)).to.deep.equal([3000]);
    datagrams.say('y'.repeat(3000));
    expect(more.sink.chunks.at(-1)).to.have.length(3000);
  });

  it('takes no session whose metadata has nothing there', () => {
    expect(() => room('/no/such')({ room: 1 }))
      .to.throw(ProxyError, '/no/such')
      .with.property('code', 'NOT_FOUND');
  });
});
