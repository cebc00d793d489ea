import { expect } from 'chai';
import fc from 'fast-check';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { WebSocket } from 'ws';
import { ProxyError } from '../../../../../common/errors.ts';
import {
  WebSocketStream,
  type WebSocketStreamOptions,
} from '../../../../../dataplane/protocols/websocket/websocket-stream.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';

/** What `ws` would be told; the test is what it says. */
class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  extensions = '';
  bufferedAmount = 0;
  readonly calls: string[] = [];
  readonly sent: { data: Buffer; binary: boolean }[] = [];
  readonly callbacks: (() => void)[] = [];

  send(data: Buffer, { binary }: { binary: boolean }, done?: () => void): void {
    this.sent.push({ data: Buffer.from(data), binary });
    if (done) this.callbacks.push(done);
  }

  close(code?: number, reason?: string): void {
    this.calls.push(`close ${code ?? 'plainly'}${reason === undefined ? '' : ` ${reason}`}`);
  }

  terminate(): void {
    this.calls.push('terminate');
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  ping(): void {
    this.calls.push('ping');
  }
}

function open(options: Partial<WebSocketStreamOptions> = {}, extensions = '') {
  const socket = new FakeWebSocket();
  socket.extensions = extensions;
  const transport = new PassThrough();
  const stream = new WebSocketStream(socket as unknown as WebSocket, transport, {
    side: 'server',
    pingInterval: 0,
    maxMessageBytes: 100 * 1024 * 1024,
    ...options,
  });
  const sink = new RecordingSink();
  stream.open(sink);
  // It holds back what comes before there is a sink.
  expect(socket.calls.splice(0)).to.deep.equal(['pause', 'resume']);
  return { socket, transport, stream, sink };
}

const OK = { code: 1000, message: '' };

describe('A WebSocket as stream', () => {
  it('hands on what came, and whether it is text', () => {
    const { socket, sink } = open();
    socket.emit('message', Buffer.from('a'), false);
    socket.emit('message', Buffer.from('b'), true);
    expect(sink.events).to.deep.equal(['data:a', 'data:b']);
    expect(sink.texts).to.deep.equal([true, false]);
  });

  it('sends messages as they are, and the bytes of a stream as configured', () => {
    const { socket, stream } = open({ bytesAsText: true });
    stream.write(Buffer.from('a'), true);
    stream.write(Buffer.from('b'), false);
    stream.adoptFraming('bytes');
    stream.write(Buffer.from('c'), false);
    expect(socket.sent.map(({ binary }) => binary)).to.deep.equal([false, true, false]);
  });

  it('cuts no character of the text that it makes of bytes', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 });
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (value, sizes) => {
        const { socket, stream } = open({ bytesAsText: true });
        stream.adoptFraming('bytes');
        const bytes = Buffer.from(value);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          stream.write(bytes.subarray(at, at + size), false);
          at += size;
        }
        const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        expect(socket.sent.map(({ data }) => decoder.decode(data)).join('')).to.equal(value);
        expect(socket.sent.every(({ data, binary }) => data.length > 0 && !binary)).to.equal(true);
      }),
    );
  });

  it('asks for a pause while much is being compressed, and tells when it may go on', () => {
    const { socket, stream, sink } = open({}, 'permessage-deflate');
    expect(stream.write(Buffer.from('a'), false)).to.equal(true);
    socket.bufferedAmount = 100_000;
    expect(stream.write(Buffer.from('b'), false)).to.equal(false);
    socket.callbacks[0]?.();
    expect(sink.events).to.deep.equal([]);
    socket.bufferedAmount = 10;
    socket.callbacks[1]?.();
    expect(sink.events).to.deep.equal(['drain']);
  });

  for (const [what, reason, call] of [
    ['a code and a reason', { code: 4001, message: 'bye' }, 'close 4001 bye'],
    ['no code', { code: 1005, message: '' }, 'close plainly'],
    ['a code that must not be sent', { code: 1006, message: 'x' }, 'close 1000'],
    ['a code that does not exist', { code: 99, message: 'x' }, 'close 1000'],
    ['nothing', undefined, 'close 1000'],
  ] as const) {
    it(`is closed with ${what}: ${call}`, () => {
      const { socket, stream } = open();
      stream.end(reason);
      stream.end(OK);
      expect(socket.calls).to.deep.equal([call]);
    });
  }

  it('tells a server of no end without a reason: its answer would be lost', () => {
    const { socket, stream } = open({ side: 'client' });
    stream.end();
    expect(socket.calls).to.deep.equal([]);
  });

  for (const [what, code, events] of [
    ['in order', 4001, ['end:4001', 'close']],
    ['without a frame', 1006, ['close:PEER_RESET']],
  ] as const) {
    it(`tells how its peer closed ${what}`, () => {
      const { socket, sink } = open();
      socket.emit('close', code, Buffer.from('why'));
      socket.emit('message', Buffer.from('late'), true);
      expect(sink.events).to.deep.equal(events);
    });
  }

  it('takes the cut of a peer that was told to go for its end', () => {
    const { socket, stream, sink } = open();
    stream.end(OK);
    socket.emit('close', 1006, Buffer.alloc(0));
    expect(sink.events).to.deep.equal(['end:1005', 'close']);
  });

  for (const [side, error, code] of [
    ['server', undefined, 1001],
    ['server', new ProxyError('PEER_RESET', 'by the test'), 1011],
    ['client', new ProxyError('PEER_RESET', 'by the test'), 1001],
  ] as const) {
    it(`is destroyed ${error ? 'with' : 'without'} an error on the ${side}'s side: ${code}`, () => {
      const { socket, stream, sink } = open({ side });
      stream.destroy(error);
      stream.destroy();
      expect(socket.calls).to.deep.equal(['resume', `close ${code}`]);
      expect(sink.events).to.deep.equal([error ? 'close:PEER_RESET' : 'close']);
      expect(stream.write(Buffer.from('late'), true)).to.equal(true);
      expect(socket.sent).to.deep.equal([]);
      socket.emit('close', 1006, Buffer.alloc(0));
      expect(sink.events).to.have.length(1);
    });
  }

  it('is cut where it is destroyed and its peer reads nothing', () => {
    const { socket, transport, stream } = open();
    transport.write(Buffer.alloc(1 << 20));
    stream.destroy();
    expect(socket.calls).to.deep.equal(['terminate']);
  });

  for (const [code, expected] of [
    ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'TOO_LARGE'],
    ['WS_ERR_INVALID_UTF8', 'PROTOCOL_ERROR'],
  ] as const) {
    it(`ends with ${expected} at ${code}`, () => {
      const { socket, sink } = open();
      socket.emit('error', Object.assign(new Error('by the test'), { code }));
      expect(sink.events).to.deep.equal([`close:${expected}`]);
    });
  }
});
