import { expect } from 'chai';
import fc from 'fast-check';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { FrameGate, FrameScanner } from '../../../../../dataplane/protocols/websocket/frames.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

/** A frame of RFC 6455, section 5.2; what is in its mask and payload is of no concern. */
function frame(opcode: number, length: number, { fin = true, mask = false } = {}): Buffer {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + extended);
  header[0] = opcode | (fin ? 0x80 : 0);
  header[1] = (mask ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) header.writeUInt16BE(length, 2);
  if (extended === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.alloc((mask ? 4 : 0) + length, 0xff)]);
}

const anyFrame = fc
  .record({
    opcode: fc.constantFrom(1, 2, 9, 10),
    length: fc.oneof(fc.nat(130), fc.constantFrom(65_535, 65_536)),
    mask: fc.boolean(),
  })
  .map(({ opcode, length, mask }) => frame(opcode, length, { mask }));

describe('the ends of frames', () => {
  it('are found wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 8 }), (frames, places) => {
        const all = Buffer.concat(frames);
        const ends = frames.map((_, index) => Buffer.concat(frames.slice(0, index + 1)).length);
        const cuts = [0, ...places.map((place) => place % (all.length + 1)), all.length].sort((a, b) => a - b);
        const scanner = new FrameScanner();
        for (let index = 1; index < cuts.length; index++) {
          const [from = 0, to = 0] = [cuts[index - 1], cuts[index]];
          const last = ends.filter((end) => end > from && end <= to).at(-1);
          expect(scanner.scan(all.subarray(from, to))).to.equal(last === undefined ? 0 : last - from);
        }
      }),
    );
  });

  it('tell whether a message is still to be ended, control frames in between or not', () => {
    const scanner = new FrameScanner();
    const seen = [frame(1, 3, { fin: false }), frame(9, 0), frame(0, 3, { fin: false }), frame(0, 0), frame(2, 5)].map(
      (each) => {
        scanner.scan(each);
        return scanner.isFragmented;
      },
    );
    expect(seen).to.deep.equal([true, true, true, false, false]);
  });
});

describe('a connection before ws', () => {
  let server: Server;
  let socket: Socket;
  let peer: Socket;
  let gate: FrameGate;
  let given: Buffer[];
  let ended: boolean;

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    peer = connect((server.address() as { port: number }).port, '127.0.0.1');
    [socket] = (await once(server, 'connection')) as [Socket];
    given = [];
    ended = false;
    gate = new FrameGate(socket, 1000);
    socket.on('data', (chunk: Buffer) => given.push(chunk));
    socket.on('end', () => (ended = true));
    gate.start();
  });
  afterEach(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });

  const cameTo = (length: number): Promise<unknown> =>
    until('what was sent', () => socket.bytesRead === length && socket.readableLength === 0);

  it('is given whole frames', async () => {
    const [one, two] = [frame(1, 10), frame(2, 300)];
    peer.write(Buffer.concat([one, two.subarray(0, 50)]));
    await cameTo(one.length + 50);
    expect(Buffer.concat(given)).to.deep.equal(one);
    peer.write(two.subarray(50));
    await cameTo(one.length + two.length);
    expect(Buffer.concat(given)).to.deep.equal(Buffer.concat([one, two]));
    expect(gate.isWhole).to.equal(true);
  });

  it('is given what comes as it comes where nobody follows the frames', async () => {
    const other = connect((server.address() as { port: number }).port, '127.0.0.1');
    const [unfollowed] = (await once(server, 'connection')) as [Socket];
    try {
      const idle = new FrameGate(unfollowed, 1000);
      unfollowed.on('data', (chunk: Buffer) => given.push(chunk));
      const part = frame(1, 10).subarray(0, 5);
      other.write(part);
      await until('it', () => given.length > 0);
      expect(Buffer.concat(given)).to.deep.equal(part);
      expect(idle.isWhole).to.equal(false);
    } finally {
      other.destroy();
      unfollowed.destroy();
    }
  });

  it('is given a part of one that is too large, to refuse it, and is not whole from then on', async () => {
    const large = frame(1, 1001).subarray(0, 100);
    peer.write(large);
    await cameTo(100);
    expect(Buffer.concat(given)).to.deep.equal(large);
    expect(gate.isWhole).to.equal(false);
  });

  it('is not whole within the fragments of a message', async () => {
    const one = frame(1, 10, { fin: false });
    peer.write(one);
    await cameTo(one.length);
    expect(gate.isWhole).to.equal(false);
  });

  it('has its last bytes when it is gone', async () => {
    const one = frame(1, 10);
    peer.write(one.subarray(0, 5));
    await cameTo(5);
    socket.destroy();
    await once(socket, 'close');
    expect(Buffer.concat(given)).to.deep.equal(one.subarray(0, 5));
  });

  it('is taken from it with what it was not given, and told nothing more', async () => {
    const [one, two] = [frame(1, 10), frame(2, 300)];
    peer.write(Buffer.concat([one, two.subarray(0, 50)]));
    await cameTo(one.length + 50);
    const stream = gate.lift();
    const sink = new RecordingSink();
    stream.open(sink);
    stream.resume();
    peer.end(two.subarray(50));
    await until('the end', () => sink.events.includes('end'));
    expect(Buffer.concat(sink.chunks)).to.deep.equal(two);
    expect(Buffer.concat(given)).to.deep.equal(one);
    expect(ended).to.equal(false);
    const answer = once(peer, 'data');
    stream.write(Buffer.from('more'), false);
    expect(await answer).to.deep.equal([Buffer.from('more')]);
    stream.end();
  });
});
