import { expect } from 'chai';
import fc from 'fast-check';
import {
  bind,
  close,
  EAGAIN,
  getSocketName,
  SOCK_DGRAM,
  socket,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { RECEIVE_BATCH, ReceiveBatch } from '../../../../../dataplane/sockets/native/receive-batch.ts';
import { SEND_BATCH, SEND_BYTES, SendBatch } from '../../../../../dataplane/sockets/native/send-batch.ts';
import { AF_INET, AF_INET6, decodeInet, encodeInet } from '../../../../../dataplane/sockets/native/sockaddr.ts';

const SEGMENT = 1452;

describe('Batches of datagrams', () => {
  const out = new SendBatch();
  const into = new ReceiveBatch();
  const open: number[] = [];

  function bound(address: string): { fd: number; port: number } {
    const fd = socket(address.includes(':') ? AF_INET6 : AF_INET, SOCK_DGRAM);
    open.push(fd);
    bind(fd, encodeInet(address, 0), address);
    return { fd, port: decodeInet(getSocketName(fd))?.port ?? 0 };
  }

  function words(name: Buffer): Uint32Array {
    const padded = new Uint32Array(7);
    name.copy(new Uint8Array(padded.buffer));
    return padded;
  }

  function receiveAll(fd: number): { datagram: Buffer; port: number; address: string | undefined }[] {
    const all = [];
    for (;;) {
      const count = into.receive(fd);
      if (count === -EAGAIN) return all;
      for (let index = 0; index < count; index++) {
        const address = decodeInet(into.name(index))?.address;
        all.push({ datagram: into.copy(index), port: into.port(index), address });
      }
    }
  }

  /** As an outbox does it, but without errors. */
  function sendAll(fd: number, datagrams: readonly Buffer[], name: Buffer, segment = SEGMENT): number {
    let messages = 0;
    for (let next = 0; next < datagrams.length;) {
      out.clear();
      for (let taken = -1; taken !== 0 && next < datagrams.length; next += taken) {
        taken = out.add(datagrams, next, words(name), name.length, segment);
      }
      expect(out.send(fd, 0)).to.equal(out.count);
      messages += out.count;
    }
    return messages;
  }

  afterEach(() => {
    for (const fd of open.splice(0)) close(fd);
  });

  for (const [address, family] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ] as const) {
    it(`carry any datagrams in order, ${address}`, () => {
      const sender = bound(address);
      const receiver = bound(address);
      const sizes = fc.oneof(fc.constantFrom(0, 1, 64, 2047, 2048, 2049, SEGMENT, SEGMENT + 1), fc.nat(3000));
      const runs = fc.array(fc.record({ size: sizes, count: fc.integer({ min: 1, max: 20 }) }), { maxLength: 4 });
      fc.assert(
        fc.property(runs, (found) => {
          const datagrams = found
            .flatMap(({ size, count }) => new Array<number>(count).fill(size))
            .slice(0, 20)
            .map((size, index) => Buffer.alloc(size, index + 1));
          sendAll(sender.fd, datagrams, encodeInet(address, receiver.port));
          const received = receiveAll(receiver.fd);
          expect(received.map(({ datagram }) => datagram.toString('latin1'))).to.deep.equal(
            datagrams.map((datagram) => datagram.toString('latin1')),
          );
          for (const one of received) {
            expect(one.port).to.equal(sender.port);
            expect(one.address).to.equal(family);
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  it('carry the largest datagram there is', () => {
    const [sender, receiver] = [bound('127.0.0.1'), bound('127.0.0.1')];
    const largest = Buffer.alloc(65_507, 7);
    sendAll(sender.fd, [largest], encodeInet('127.0.0.1', receiver.port));
    expect(receiveAll(receiver.fd).map(({ datagram }) => datagram)).to.deep.equal([largest]);
  });

  it('join neighbours of one size, and no others, up to 64 of them', () => {
    const sizesOf = (sizes: readonly number[], segment = SEGMENT): number[] => {
      const datagrams = sizes.map((size) => Buffer.alloc(size));
      const taken: number[] = [];
      out.clear();
      for (let next = 0; next < datagrams.length; next += taken.at(-1) ?? 0) {
        taken.push(out.add(datagrams, next, words(encodeInet('127.0.0.1', 9)), 16, segment));
      }
      return taken;
    };
    expect(sizesOf([10, 10, 10, 9, 9, 10])).to.deep.equal([3, 2, 1]);
    expect(sizesOf([0, 0])).to.deep.equal([1, 1]);
    expect(sizesOf([1453, 1453, 1452, 1452])).to.deep.equal([1, 1, 2]);
    expect(sizesOf([10, 10], 0)).to.deep.equal([1, 1]);
    expect(sizesOf(new Array<number>(130).fill(8))).to.deep.equal([64, 64, 2]);
    expect(sizesOf(new Array<number>(50).fill(1452))).to.deep.equal([44, 6]);
  });

  it('take no more messages and bytes than they have room for', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(65_535), { maxLength: 300 }), (sizes) => {
        const datagrams = sizes.map((size) => Buffer.allocUnsafeSlow(size));
        out.clear();
        let next = 0;
        for (let taken = -1; taken !== 0; next += taken) taken = out.add(datagrams, next, new Uint32Array(7), 0, 0);
        const bytes = sizes.slice(0, next).reduce((sum, size) => sum + size, 0);
        expect(out.count).to.be.at.most(SEND_BATCH);
        expect(bytes).to.be.at.most(SEND_BYTES);
        if (next < sizes.length)
          expect(out.count === SEND_BATCH || bytes + (sizes[next] ?? 0) > SEND_BYTES).to.equal(true);
      }),
      { numRuns: 50 },
    );
  });

  it('give every datagram memory of its own', () => {
    const [sender, receiver] = [bound('127.0.0.1'), bound('127.0.0.1')];
    const name = encodeInet('127.0.0.1', receiver.port);
    sendAll(sender.fd, [Buffer.from('first')], name);
    const [first] = receiveAll(receiver.fd);
    sendAll(sender.fd, [Buffer.from('other')], name);
    receiveAll(receiver.fd);
    expect(first?.datagram.toString()).to.equal('first');
  });

  it('know IPv4 addresses by one number on sockets of both families, and no others', () => {
    const dual = bound('::');
    const sender = bound('127.0.0.1');
    const plain = bound('127.0.0.1');
    sendAll(sender.fd, [Buffer.from('x')], encodeInet('127.0.0.1', dual.port));
    into.receive(dual.fd);
    const mapped = into.ipv4(0);
    sendAll(sender.fd, [Buffer.from('x')], encodeInet('127.0.0.1', plain.port));
    into.receive(plain.fd);
    expect(into.ipv4(0)).to.equal(mapped).and.to.be.at.least(0);
    const six = bound('::1');
    sendAll(six.fd, [Buffer.from('x')], encodeInet('::1', dual.port));
    into.receive(dual.fd);
    expect(into.ipv4(0)).to.equal(-1);
  });

  it('receive more than one batch in turns', () => {
    const [sender, receiver] = [bound('127.0.0.1'), bound('127.0.0.1')];
    const datagrams = Array.from({ length: RECEIVE_BATCH + 6 }, (_, index) => Buffer.from(String(index)));
    sendAll(sender.fd, datagrams, encodeInet('127.0.0.1', receiver.port));
    expect(receiveAll(receiver.fd).map(({ datagram }) => datagram.toString())).to.deep.equal(datagrams.map(String));
  });
});
