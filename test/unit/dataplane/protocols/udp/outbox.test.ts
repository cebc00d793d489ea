import { expect } from 'chai';
import type { ProxyError } from '../../../../../common/errors.ts';
import { Outbox } from '../../../../../dataplane/protocols/udp/outbox.ts';
import type { Writer } from '../../../../../dataplane/protocols/udp/socket.ts';
import {
  AF_UNIX,
  bind,
  close,
  connect,
  getSocketName,
  read,
  setOption,
  SOCK_DGRAM,
  socket,
  SOL_SOCKET,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { AF_INET, AUTOBIND, encodeInet } from '../../../../../dataplane/sockets/native/sockaddr.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class RecordingWriter implements Writer {
  readonly errors: ProxyError[] = [];
  onDrained = (): void => undefined;
  drains = 0;

  drained(): void {
    this.drains++;
    this.onDrained();
  }

  failed(error: ProxyError): void {
    this.errors.push(error);
  }
}

describe('Outbox', () => {
  let open: number[] = [];
  let outbox: Outbox;
  let reader: number;

  function newSocket(family: number): number {
    const fd = socket(family, SOCK_DGRAM);
    open.push(fd);
    return fd;
  }

  function join(from: number, to: number): void {
    expect(connect(from, getSocketName(to))).to.equal(0);
  }

  /** A UNIX socket has no room once its peer doesn't read: loopback UDP drops instead. */
  function useUnix(): void {
    reader = newSocket(AF_UNIX);
    bind(reader, AUTOBIND, 'reader');
    const fd = newSocket(AF_UNIX);
    join(fd, reader);
    outbox = new Outbox(fd);
  }

  function useUdp(): number {
    reader = newSocket(AF_INET);
    bind(reader, encodeInet('127.0.0.1', 0), 'reader');
    const fd = newSocket(AF_INET);
    join(fd, reader);
    outbox = new Outbox(fd);
    return fd;
  }

  function readAll(): string[] {
    const data = Buffer.alloc(65_536);
    const found: string[] = [];
    for (let length = read(reader, data); length >= 0; length = read(reader, data)) {
      found.push(data.toString('latin1', 0, length));
    }
    return found;
  }

  afterEach(() => {
    outbox.close();
    for (const fd of open) close(fd);
    open = [];
  });

  it('sends what a phase of the event loop wrote at its end, each writer’s in order', async () => {
    useUdp();
    const [first, second] = [outbox.sender(new RecordingWriter()), outbox.sender(new RecordingWriter())];
    for (const text of ['a1', 'a2', 'a3 longer', '', 'a4']) expect(first.send(Buffer.from(text))).to.equal(true);
    second.send(Buffer.from('b1'));
    expect(readAll()).to.deep.equal([]);
    await turn();
    expect(readAll()).to.deep.equal(['a1', 'a2', 'a3 longer', '', 'a4', 'b1']);
  });

  it('sends again, one by one, what the kernel refuses as a train', async () => {
    const SO_NO_CHECK = 11;
    setOption(useUdp(), SOL_SOCKET, SO_NO_CHECK, 1); // trains need checksums: EINVAL
    const writer = new RecordingWriter();
    const sender = outbox.sender(writer);
    const texts = ['train 1', 'train 2', 'train 3', 'no train', 'train 4', 'train 5'];
    for (let round = 0; round < 2; round++) {
      for (const text of texts) sender.send(Buffer.from(text));
      await turn();
      expect(readAll()).to.deep.equal(texts);
    }
    expect(writer.errors).to.deep.equal([]);
  });

  it('tells of a datagram that is too large; the others go', async () => {
    useUdp();
    const writer = new RecordingWriter();
    const sender = outbox.sender(writer);
    for (const size of [1, 70_000, 65_520, 2]) expect(sender.send(Buffer.alloc(size))).to.equal(true);
    await turn();
    expect(readAll().map(({ length }) => length)).to.deep.equal([1, 2]);
    expect(writer.errors.map(({ code }) => code)).to.deep.equal(['TOO_LARGE', 'TOO_LARGE']);
  });

  it('tells a writer that its peer refuses datagrams', async () => {
    const fd = useUdp();
    close(reader);
    open = [fd];
    const writer = new RecordingWriter();
    const sender = outbox.sender(writer);
    for (let round = 0; round < 3; round++) {
      sender.send(Buffer.from('knock'));
      await turn();
    }
    expect(writer.errors[0]?.code).to.equal('CONNECT_REFUSED');
  });

  it('asks to wait while the socket is full, loses nothing, and tells when there is room', async () => {
    useUnix();
    const writer = new RecordingWriter();
    const sender = outbox.sender(writer);
    const sent: string[] = [];
    const received: string[] = [];
    const send = (): boolean => {
      const text = `${sent.length} `.repeat(1 + (sent.length % 7));
      sent.push(text);
      return sender.send(Buffer.from(text));
    };
    while (send()) await turn();
    expect(writer.drains).to.equal(0);
    const drained = new Promise<void>((resolve) => {
      writer.onDrained = resolve;
    });
    const timer = setInterval(() => received.push(...readAll()), 1);
    await drained;
    clearInterval(timer);
    expect(send()).to.equal(true);
    await turn();
    received.push(...readAll());
    expect(received).to.deep.equal(sent);
    expect(writer.errors).to.deep.equal([]);
  });

  it('says nothing to a writer that has left', async () => {
    useUnix();
    const writer = new RecordingWriter();
    const other = new RecordingWriter();
    const [sender, next] = [outbox.sender(writer), outbox.sender(other)];
    for (let size = 1; sender.send(Buffer.alloc(size)); size++) await turn();
    expect(next.send(Buffer.alloc(1))).to.equal(false);
    sender.close();
    const drained = new Promise<void>((resolve) => {
      other.onDrained = resolve;
    });
    const timer = setInterval(readAll, 1);
    await drained;
    clearInterval(timer);
    expect(writer.drains).to.equal(0);
  });

  it('gathers no more than it may before it sends', () => {
    useUdp();
    const sender = outbox.sender(new RecordingWriter());
    for (let count = 0; count < 9; count++) sender.send(Buffer.alloc(30_000));
    expect(readAll().length).to.be.at.least(1);
  });

  it('sends what waits when it is closed', () => {
    useUdp();
    outbox.sender(new RecordingWriter()).send(Buffer.from('last'));
    outbox.close();
    expect(readAll()).to.deep.equal(['last']);
  });
});
