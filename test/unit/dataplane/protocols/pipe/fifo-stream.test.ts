import { expect } from 'chai';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { FifoStream } from '../../../../../dataplane/protocols/pipe/fifo-stream.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

/** One end of a FIFO; what it was written is what can be read from it. */
const fifo = (options: object = {}): PassThrough & Socket =>
  new PassThrough(options) as unknown as PassThrough & Socket;

function open(ends: { reads: boolean; writes: boolean } = { reads: true, writes: true }) {
  const stream = new FifoStream(ends);
  const sink = new RecordingSink();
  stream.open(sink);
  return { stream, sink };
}

const read = (end: PassThrough): string => String(end.read() ?? '');

describe('Two named pipes as one stream', () => {
  it('keep what is written until somebody reads, and hold the writer back meanwhile', () => {
    const { stream, sink } = open();
    expect(stream.write(Buffer.from('a'))).to.equal(false);
    expect(stream.write(Buffer.from('b'))).to.equal(false);
    const writer = fifo();
    stream.setWriter(writer);
    expect(read(writer)).to.equal('ab');
    expect(sink.events).to.deep.equal(['drain']);
    expect(stream.write(Buffer.from('c'))).to.equal(true);
    expect(read(writer)).to.equal('c');
  });

  it('tell no writer to go on where the pipe is full at once', async () => {
    const { stream, sink } = open();
    stream.write(Buffer.from('abc'));
    const writer = fifo({ highWaterMark: 1 });
    stream.setWriter(writer);
    expect(sink.events).to.deep.equal([]);
    expect(read(writer)).to.equal('abc');
    await until('room', () => sink.events.includes('drain'));
    expect(sink.events).to.deep.equal(['drain']);
  });

  it('end what was written after the last of it, though somebody reads only then', async () => {
    const { stream } = open();
    stream.write(Buffer.from('last'));
    stream.end();
    expect(stream.write(Buffer.from('late'))).to.equal(true);
    const writer = fifo();
    stream.setWriter(writer);
    expect(read(writer)).to.equal('last');
    await until('the end', () => writer.writableFinished);
  });

  it('hand on what was read already, then the rest, then the end', async () => {
    const { stream, sink } = open();
    const reader = fifo();
    stream.setReader({ reader, head: Buffer.from('first') });
    reader.end('second');
    await until('the end', () => sink.events.includes('end'));
    expect(sink.events).to.deep.equal(['data:first', 'data:second', 'end']);
    stream.end(); // nothing was written, and nobody waits for nothing
    expect(sink.events.at(-1)).to.equal('close');
  });

  it('read nothing while they are paused, also where the pause came first', async () => {
    const { stream, sink } = open();
    const reader = fifo();
    stream.pause();
    stream.setReader({ reader, head: undefined });
    reader.write('a');
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.events).to.deep.equal([]);
    stream.resume();
    await until('what waits', () => sink.events.length > 0);
    expect(sink.events).to.deep.equal(['data:a']);
  });

  it('drop answers where there is no pipe for them', () => {
    const { stream } = open({ reads: true, writes: false });
    expect(stream.write(Buffer.from('a'))).to.equal(true);
    expect(stream.write(Buffer.from('b'))).to.equal(true);
  });

  it('have ended on both sides where only one is written, and that has ended', async () => {
    const { stream, sink } = open({ reads: false, writes: true });
    const writer = fifo();
    stream.setWriter(writer);
    stream.write(Buffer.from('a'));
    stream.end();
    expect(sink.events).to.deep.equal(['end']);
    writer.resume();
    await until('the close', () => sink.events.includes('close'));
  });

  it('break where the reader went away', async () => {
    const { stream, sink } = open();
    const [reader, writer] = [fifo(), fifo()];
    stream.setReader({ reader, head: undefined });
    stream.setWriter(writer);
    writer.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await until('the close', () => sink.events.length > 0);
    expect(sink.events).to.deep.equal(['close:PEER_RESET']);
    expect(reader.destroyed).to.equal(true);
    expect(stream.gone.aborted).to.equal(true);
  });

  it('leave no end open that comes when they are gone', () => {
    const { stream } = open();
    stream.destroy();
    const [reader, writer] = [fifo(), fifo()];
    stream.setReader({ reader, head: undefined });
    stream.setWriter(writer);
    expect(reader.destroyed).to.equal(true);
    expect(writer.destroyed).to.equal(true);
  });
});
