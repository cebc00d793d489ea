import { expect } from 'chai';
import { ProxyError } from '../../../../common/errors.ts';
import { type Transformer, TransformStream } from '../../../../dataplane/core/transform-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';

/** One that keeps what it is written until its end. */
function collecting(): Transformer {
  const kept: Buffer[] = [];
  return { data: (chunk) => kept.push(chunk), flush: (emit) => emit(Buffer.concat(kept), true) };
}

function open(transformer: Transformer): { stream: TransformStream; sink: RecordingSink } {
  const stream = new TransformStream(transformer);
  const sink = new RecordingSink();
  stream.open(sink);
  return { stream, sink };
}

const echoing: Pick<Transformer, 'data'> = { data: (chunk, text, emit) => emit(chunk, text) };

describe('A transform', () => {
  it('gives what it kept before its end, and is closed then', () => {
    const { stream, sink } = open(collecting());
    stream.write(Buffer.from('a'), false);
    stream.write(Buffer.from('b'), false);
    stream.end();
    expect(sink.events).to.deep.equal(['data:ab', 'end', 'close']);
    stream.write(Buffer.from('late'), false);
    stream.end();
    expect(sink.events).to.have.length(3);
  });

  it('asks its writer to wait while its reader does, and tells when there is room', () => {
    const { stream, sink } = open(echoing);
    stream.pause();
    expect(stream.write(Buffer.from('a'), false)).to.equal(false);
    stream.resume();
    stream.resume();
    expect(stream.write(Buffer.from('b'), false)).to.equal(true);
    expect(sink.events).to.deep.equal(['data:a', 'drain', 'data:b']);
  });

  for (const [when, act] of Object.entries({
    data: (stream: TransformStream) => stream.write(Buffer.from('a'), false),
    flush: (stream: TransformStream) => stream.end(),
  })) {
    it(`ends with what its ${when} throws`, () => {
      let closed = 0;
      const failing = (): void => {
        throw new Error('by the test');
      };
      const { stream, sink } = open({ ...echoing, [when]: failing, close: () => closed++ });
      act(stream);
      expect(sink.events).to.deep.equal(['close:INTERNAL']);
      expect(sink.closeError?.message).to.include('by the test');
      expect(closed).to.equal(1);
      expect(stream.write(Buffer.from('late'), false)).to.equal(true);
      stream.end();
      expect(sink.events).to.have.length(1);
    });
  }

  it('is of the framing that goes in, unless it makes another', () => {
    const told: string[] = [];
    const { stream } = open({ ...echoing, adoptFraming: (framing) => told.push(framing) });
    stream.adoptFraming('datagrams');
    expect([stream.framing, ...told]).to.deep.equal(['datagrams', 'datagrams']);
    const fixed = new TransformStream({ ...echoing, framing: 'bytes' });
    fixed.adoptFraming('datagrams');
    expect(fixed.framing).to.equal('bytes');
  });

  it('gives back what it holds, once, however it goes', () => {
    let closed = 0;
    const { stream, sink } = open({ ...echoing, close: () => closed++ });
    stream.destroy(new ProxyError('DELETED', 'by the test'));
    stream.destroy();
    stream.end();
    expect(sink.events).to.deep.equal(['close:DELETED']);
    expect(closed).to.equal(1);
  });

  it('passes signals in order with data', () => {
    const { stream, sink } = open(echoing);
    stream.write(Buffer.from('a'), false);
    stream.signal({ type: 'trailers', headers: [] });
    stream.end();
    stream.signal({ type: 'trailers', headers: [] });
    expect(sink.events).to.deep.equal(['data:a', 'signal:trailers', 'end', 'close']);
  });
});
