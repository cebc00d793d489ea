import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeqpacketStream } from '../../../../../dataplane/protocols/unix-seqpacket/seqpacket-stream.ts';
import { ProxyError } from '../../../../../common/errors.ts';
import {
  accept,
  AF_UNIX,
  close,
  EAGAIN,
  listen,
  send,
  shutdown,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  socket,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { MessageSocket } from '../../../../../dataplane/sockets/native/message-socket.ts';
import { bindUnix, connectUnix } from '../../../../../dataplane/sockets/native/unix-socket.ts';
import { descriptors, expectNoMoreThan } from '../../../../support/descriptors.ts';
import { expectIdle } from '../../../../support/idle.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

const never = new AbortController().signal;

/** Two connected seqpacket sockets. */
async function pair(path: string): Promise<[number, number]> {
  const { fd: listening, unlink } = await bindUnix(SOCK_SEQPACKET, path);
  listen(listening, 1);
  const fd = socket(AF_UNIX, SOCK_SEQPACKET);
  await connectUnix(fd, path, never);
  const accepted = accept(listening);
  close(listening);
  unlink();
  return [fd, accepted];
}

/** Resolves when a message has come by another pair: whatever was readable before has been told of by then. */
async function heardElsewhere(path: string): Promise<void> {
  const [raw, fd] = await pair(`${path}-other`);
  const stream = new SeqpacketStream(fd, 'other');
  const sink = new RecordingSink();
  stream.open(sink);
  send(raw, Buffer.from('x'));
  await until('a message', () => sink.chunks.length === 1);
  stream.destroy();
  close(raw);
}

describe('a socket of messages', () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
  const path = join(directory, 's');
  let before: string[];

  beforeEach(() => (before = descriptors()));
  afterEach(() => expectNoMoreThan(before));
  after(() => rmSync(directory, { recursive: true }));

  it('delivers messages as they were, empty ones too, then the end', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    const sink = new RecordingSink();
    stream.open(sink);
    for (const text of ['a', '', 'bc', '', '']) send(raw, Buffer.from(text));
    shutdown(raw, SHUT_WR);
    await until('the end', () => sink.events.includes('end'));
    expect(sink.events).to.deep.equal(['data:a', 'data:', 'data:bc', 'data:', 'data:', 'end']);
    stream.destroy();
    expect(sink.events.at(-1)).to.equal('close');
    close(raw);
  });

  it('closes when both sides have ended', async () => {
    const [a, b] = await pair(path);
    const streams = [new SeqpacketStream(a, 'a'), new SeqpacketStream(b, 'b')] as const;
    const sinks = streams.map((stream) => {
      const sink = new RecordingSink();
      stream.open(sink);
      return sink;
    });
    streams[0].write(Buffer.from('last'));
    streams[0].end();
    await until('the end', () => sinks[1]!.events.includes('end'));
    streams[1].write(Buffer.from('answer'));
    streams[1].end();
    await until('both closes', () => sinks.every(({ events }) => events.includes('close')));
    expect(sinks[0]!.events).to.deep.equal(['data:answer', 'end', 'close']);
    expect(sinks[1]!.events).to.deep.equal(['data:last', 'end', 'close']);
  });

  it('holds its peer back while it is paused', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    const sink = new RecordingSink();
    stream.open(sink);
    stream.pause();
    let sent = 0;
    while (send(raw, Buffer.alloc(1000)) !== -EAGAIN) sent++;
    // Another socket that became readable later has its turn: what this one has to say would have come before.
    await heardElsewhere(path);
    expect(sink.chunks).to.have.length(0);
    expect(send(raw, Buffer.alloc(1000))).to.equal(-EAGAIN);
    stream.resume();
    await until('all that was sent', () => sink.chunks.length === sent);
    stream.destroy();
    close(raw);
  });

  it('asks for a pause when its peer takes nothing, keeps the order, and drains', async () => {
    const [a, b] = await pair(path);
    const [writer, reader] = [new SeqpacketStream(a, 'a'), new SeqpacketStream(b, 'b')];
    const [writing, reading] = [new RecordingSink(), new RecordingSink()];
    writer.open(writing);
    reader.open(reading);
    reader.pause();
    let count = 0;
    while (writer.write(Buffer.from(`${count++}`.padEnd(1000))));
    for (let more = 0; more < 5; more++) expect(writer.write(Buffer.from(`${count++}`.padEnd(1000)))).to.equal(false);
    expect(writing.events).to.deep.equal([]);
    writer.end();
    reader.resume();
    await until('the end', () => reading.events.includes('end'));
    expect(reading.chunks.map((chunk) => Number(chunk.toString()))).to.deep.equal(
      Array.from({ length: count }, (_, n) => n),
    );
    writer.destroy();
    reader.destroy();
  });

  it('tells its writer when there is room again', async () => {
    const [a, b] = await pair(path);
    const [writer, reader] = [new SeqpacketStream(a, 'a'), new SeqpacketStream(b, 'b')];
    const [writing, reading] = [new RecordingSink(), new RecordingSink()];
    writer.open(writing);
    reader.open(reading);
    reader.pause();
    while (writer.write(Buffer.alloc(1000)));
    reader.resume();
    await until('the drain', () => writing.events.includes('drain'));
    expect(writing.events).to.deep.equal(['drain']);
    writer.destroy();
    reader.destroy();
  });

  it('delivers what its peer said before it went without reading', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    stream.write(Buffer.from('unread'));
    send(raw, Buffer.from('answer'));
    close(raw); // with something unread: the kernel tells of a reset
    const sink = new RecordingSink();
    stream.open(sink);
    await until('the close', () => sink.events.some((event) => event.startsWith('close')));
    expect(sink.events).to.deep.equal(['data:answer', 'end', 'close:PEER_RESET']);
  });

  it('still reads after a write that its peer does not take any more', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    send(raw, Buffer.from('answer'));
    close(raw);
    expect(stream.write(Buffer.from('late'))).to.equal(true);
    const sink = new RecordingSink();
    stream.open(sink);
    await until('the close', () => sink.events.some((event) => event.startsWith('close')));
    expect(sink.events).to.deep.equal(['data:answer', 'end', 'close:PEER_RESET']);
  });

  it('notices that its peer is gone for good after its end', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    const sink = new RecordingSink();
    stream.open(sink);
    shutdown(raw, SHUT_WR);
    await until('the end', () => sink.events.includes('end'));
    expect(sink.events).to.deep.equal(['end']);
    close(raw);
    await until('the close', () => sink.events.includes('close'));
  });

  it('costs nothing while it is paused and its peer is gone', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    const sink = new RecordingSink();
    stream.open(sink);
    stream.pause();
    close(raw);
    await expectIdle();
    expect(sink.events).to.deep.equal([]);
    stream.resume();
    await until('the end', () => sink.events.includes('end'));
    stream.destroy();
  });

  it('grows its send buffer for a large message, and ends with one that is too large to receive', async () => {
    const [a, b] = await pair(path);
    const [writer, reader] = [new SeqpacketStream(a, 'a'), new SeqpacketStream(b, 'b')];
    const [writing, reading] = [new RecordingSink(), new RecordingSink()];
    writer.open(writing);
    reader.open(reading);
    const large = Buffer.alloc(1024 * 1024, 7);
    writer.write(large);
    await until('a message', () => reading.chunks.length === 1);
    expect(reading.chunks[0]!.equals(large)).to.equal(true);
    writer.write(Buffer.alloc(1024 * 1024 + 1));
    await until('the close', () => reading.closeError !== undefined);
    expect(reading.closeError!.code).to.equal('TOO_LARGE');
    expect(reading.closeError!.message).to.equal('b: expected messages of at most 1048576 bytes, found 1048577');
    writer.destroy();
  });

  it('sends what was written last, though it is destroyed meanwhile', async () => {
    const { fd: receiving, unlink } = await bindUnix(SOCK_DGRAM, path);
    const fd = socket(AF_UNIX, SOCK_DGRAM);
    await connectUnix(fd, path, never);
    let closed = false;
    const stream = new MessageSocket(fd, {
      peer: 'peer',
      reliable: true,
      halfClose: false,
      onClosed: () => (closed = true),
    });
    const sink = new RecordingSink();
    stream.open(sink);
    let count = 1;
    while (stream.write(Buffer.from([0]))) count++;
    stream.end();
    stream.destroy();
    expect(sink.events).to.deep.equal(['close']);
    expect(closed).to.equal(false);
    const reader = new MessageSocket(receiving, { peer: 'us', reliable: true, halfClose: false, onClosed: unlink });
    const received = new RecordingSink();
    reader.open(received);
    await until('all messages and the close', () => received.chunks.length === count && closed);
    reader.destroy();
  });

  it('tells of a reader of datagrams that went away', async () => {
    const { fd: receiving, unlink } = await bindUnix(SOCK_DGRAM, path);
    const fd = socket(AF_UNIX, SOCK_DGRAM);
    await connectUnix(fd, path, never);
    const stream = new MessageSocket(fd, { peer: path, reliable: true, halfClose: false });
    const sink = new RecordingSink();
    stream.open(sink);
    close(receiving);
    unlink();
    expect(stream.write(Buffer.from('x'))).to.equal(true);
    expect(sink.events, 'nothing while it writes').to.deep.equal([]);
    await until('the close', () => sink.closeError !== undefined);
    expect(sink.closeError!.message).to.equal(`${path}: connection refused (ECONNREFUSED)`);
  });

  it('tells its end once, and to a sink that comes after it, too', async () => {
    const [raw, fd] = await pair(path);
    const stream = new SeqpacketStream(fd, 'peer');
    stream.destroy(new ProxyError('DELETED', 'by the test'));
    stream.destroy();
    const sink = new RecordingSink();
    stream.open(sink);
    await until('an event', () => sink.events.length > 0);
    expect(sink.events).to.deep.equal(['close:DELETED']);
    expect(stream.write(Buffer.from('x'))).to.equal(true);
    close(raw);
  });
});
