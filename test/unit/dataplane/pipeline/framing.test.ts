import { expect } from 'chai';
import fc from 'fast-check';
import { ProxyError } from '../../../../common/errors.ts';
import { TransformStream } from '../../../../dataplane/core/transform-stream.ts';
import { Deframer, frame, framed, type FramingKind, MAX_MESSAGE } from '../../../../dataplane/pipeline/framing.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';

const KINDS: readonly FramingKind[] = ['length-prefix-2', 'length-prefix-4', 'newline'];

/** The messages that these chunks are. */
function deframe(kind: FramingKind, ...chunks: (string | Buffer)[]): string[] {
  const messages: string[] = [];
  const deframer = new Deframer(kind, (message) => messages.push(message.toString('latin1')));
  for (const chunk of chunks) deframer.push(Buffer.from(chunk as string, 'latin1'));
  deframer.end();
  return messages;
}

const codeOf = (attempt: () => unknown): string => {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ProxyError) return error.code;
    throw error;
  }
  return 'none';
};

describe('Framing', () => {
  const rows: readonly (readonly [kind: FramingKind, chunks: string[], messages: string[]])[] = [
    ['length-prefix-2', ['\0\x03abc\0\0\0\x01d'], ['abc', '', 'd']],
    ['length-prefix-2', ['\0', '\x02a', 'b\0', '\x01', 'c'], ['ab', 'c']],
    ['length-prefix-2', ['\0\x03ab'], []],
    ['length-prefix-4', ['\0\0\0\x01a', '\0\0\0\0'], ['a', '']],
    ['newline', ['a\nb', 'c\n\nd'], ['a', 'bc', '', 'd']],
    ['newline', ['a\r\n'], ['a\r']],
    ['newline', ['\n'], ['']],
    ['newline', [], []],
  ];
  for (const [kind, chunks, messages] of rows) {
    it(`by ${kind} makes ${JSON.stringify(messages)} of ${JSON.stringify(chunks)}`, () => {
      expect(deframe(kind, ...chunks)).to.deep.equal(messages);
    });
  }

  for (const kind of KINDS) {
    it(`by ${kind} keeps messages, wherever chunks end`, () => {
      const bytes = fc.uint8Array({ maxLength: 40 }).map((list) => Buffer.from(list));
      const message = kind === 'newline' ? bytes.filter((one) => !one.includes(10)) : bytes;
      fc.assert(
        fc.property(fc.array(message), fc.array(fc.nat()), (messages, places) => {
          const stream = Buffer.concat(messages.map((one) => frame(kind, one)));
          const ends = [...places.map((at) => at % (stream.length + 1)), stream.length].sort((a, b) => a - b);
          const chunks = ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end));
          expect(deframe(kind, ...chunks)).to.deep.equal(messages.map((one) => one.toString('latin1')));
        }),
      );
    });
  }

  it('refuses messages that do not fit', () => {
    expect(codeOf(() => frame('length-prefix-2', Buffer.alloc(65536)))).to.equal('TOO_LARGE');
    expect(frame('length-prefix-2', Buffer.alloc(65535))).to.have.length(65537);
    expect(codeOf(() => deframe('length-prefix-4', '\x7f\xff\xff\xff'))).to.equal('TOO_LARGE');
    const line = Buffer.alloc(MAX_MESSAGE / 2 + 1, 'x');
    expect(codeOf(() => deframe('newline', line, line))).to.equal('TOO_LARGE');
  });

  describe('of a stream', () => {
    function open(options = {}): { inner: FakeStream; stream: ReturnType<typeof framed>; sink: RecordingSink } {
      const inner = new FakeStream(options);
      const stream = framed(inner, 'newline');
      const sink = new RecordingSink();
      stream.open(sink);
      return { inner, stream, sink };
    }

    it('makes messages of bytes, and bytes of messages', () => {
      const { inner, stream, sink } = open();
      expect(stream.framing).to.equal('datagrams');
      inner.says('a\nb');
      expect(stream.write(Buffer.from('c'), false)).to.equal(true);
      inner.ends();
      expect(sink.events).to.deep.equal(['data:a', 'data:b', 'end']);
      expect(inner.written).to.deep.equal(['c\n']);
    });

    it('passes everything else on', () => {
      const { inner, stream, sink } = open({ halfClose: false });
      inner.retriable = false;
      expect([stream.reliable, stream.halfClose, stream.retriable]).to.deep.equal([true, false, false]);
      inner.room = false;
      expect(stream.write(Buffer.from('x'), false)).to.equal(false);
      inner.drains();
      inner.sends({ type: 'trailers', headers: [] });
      stream.signal?.({ type: 'trailers', headers: ['a', 'b'] });
      stream.pause();
      stream.resume();
      stream.connected?.(true);
      stream.end({ code: 1000, message: 'bye' });
      stream.destroy(new ProxyError('DELETED', 'by the test'));
      expect(inner.calls).to.deep.equal(['open', 'pause', 'resume', 'connected', 'end', 'destroy']);
      expect(inner.signals).to.deep.equal([{ type: 'trailers', headers: ['a', 'b'] }]);
      expect(inner.endReason).to.deep.equal({ code: 1000, message: 'bye' });
      expect(sink.events).to.deep.equal(['drain', 'signal:trailers', 'close:DELETED']);
    });

    it('ends where a message is too long, in either direction', () => {
      const inner = new FakeStream();
      const stream = framed(inner, 'length-prefix-2');
      const sink = new RecordingSink();
      stream.open(sink);
      stream.write(Buffer.alloc(70_000), false);
      expect(sink.events).to.deep.equal(['close:TOO_LARGE']);

      const other = open();
      other.inner.says('x'.repeat(MAX_MESSAGE + 1));
      expect(other.sink.events).to.deep.equal(['close:TOO_LARGE']);
    });

    it('says how large its messages may be, so that bytes are cut to fit', () => {
      expect(framed(new FakeStream(), 'length-prefix-2').maxDatagram).to.equal(65535);
      expect(framed(new FakeStream(), 'newline').maxDatagram).to.equal(MAX_MESSAGE);
    });

    it('writes bytes, whatever is written to it', () => {
      const echo = new TransformStream({ data: (chunk, text, emit) => emit(chunk, text) });
      framed(echo, 'newline').adoptFraming?.('datagrams');
      expect(echo.framing).to.equal('bytes');
    });

    it('leaves datagrams as they are, and what has no framing', () => {
      const datagrams = new FakeStream({ framing: 'datagrams' });
      expect(framed(datagrams, 'newline')).to.equal(datagrams);
      const bytes = new FakeStream();
      expect(framed(bytes, 'none')).to.equal(bytes);
    });
  });
});
