import { expect } from 'chai';
import type { ProxyError } from '../../../../../common/errors.ts';
import { openNativeSocket } from '../../../../../dataplane/protocols/udp/native-socket.ts';
import { openSocket } from '../../../../../dataplane/protocols/udp/open-socket.ts';
import { openPlainSocket } from '../../../../../dataplane/protocols/udp/plain-socket.ts';
import type {
  OpenSocket,
  Receiver,
  SocketOptions,
  UdpSocket,
  Writer,
} from '../../../../../dataplane/protocols/udp/socket.ts';
import {
  bind,
  close,
  setOption,
  SO_REUSEADDR,
  SOCK_DGRAM,
  socket as newSocket,
  SOL_SOCKET,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { AF_INET, encodeInet } from '../../../../../dataplane/sockets/native/sockaddr.ts';
import { until } from '../../../../support/until.ts';

const LOOPBACK = { address: '127.0.0.1', port: 0 };

class RecordingReceiver implements Receiver, Writer {
  readonly datagrams: string[] = [];
  readonly sources = new Set<string>();
  readonly errors: ProxyError[] = [];
  onReceived = (_text: string): void => undefined;

  received(datagram: Buffer, address: string, port: number): void {
    this.datagrams.push(datagram.toString());
    this.sources.add(`${address} ${port}`);
    this.onReceived(datagram.toString());
  }

  failed(error: ProxyError): void {
    this.errors.push(error);
  }

  drained(): void {
    // These tests don't fill sockets.
  }
}

describe('UDP sockets', () => {
  it('are made by system calls where koffi is', () => {
    expect(openSocket).to.equal(openNativeSocket);
  });

  it('keep their port from sockets that would share it unasked', async () => {
    const mine = openNativeSocket({ local: LOOPBACK });
    const fd = newSocket(AF_INET, SOCK_DGRAM);
    try {
      setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      const { address, port } = mine.local;
      expect(() => bind(fd, encodeInet(address, port), 'theirs')).to.throw('EADDRINUSE');
    } finally {
      close(fd);
      await mine.close();
    }
  });

  const kinds: [string, OpenSocket][] = [
    ['by system calls', openNativeSocket],
    ['of node:dgram', openPlainSocket],
  ];
  for (const [kind, openThis] of kinds) {
    describe(kind, () => {
      let sockets: UdpSocket[] = [];

      async function open(options: SocketOptions): Promise<{ socket: UdpSocket; heard: RecordingReceiver }> {
        const socket = await openThis(options);
        sockets.push(socket);
        const heard = new RecordingReceiver();
        socket.start(heard);
        return { socket, heard };
      }

      async function failureOf(options: SocketOptions): Promise<ProxyError> {
        try {
          await open(options);
        } catch (error) {
          return error as ProxyError;
        }
        throw new Error('it was opened');
      }

      afterEach(async () => {
        await Promise.all(sockets.map((socket) => socket.close()));
        sockets = [];
      });

      for (const [name, listen, connect, seen] of [
        ['IPv4', '127.0.0.1', '127.0.0.1', '127.0.0.1'],
        ['IPv6', '::1', '::1', '::1'],
        ['IPv4 on a dual-stack socket', '::', '127.0.0.1', '127.0.0.1'],
        ['IPv6 on a dual-stack socket', '::', '::1', '::1'],
        ['IPv4-mapped addresses', '::ffff:127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1'],
      ] as const) {
        it(`pass datagrams in order, and answers: ${name}`, async () => {
          const server = await open({ local: { address: listen, port: 0 } });
          const { port } = server.socket.local;
          const client = await open({ peer: { address: connect, port } });
          const sender = client.socket.sender(client.heard);
          const texts = Array.from({ length: 150 }, (_, index) => `${index} `.repeat(1 + (index % 3)));
          for (const text of texts) sender.send(Buffer.from(text));
          await until('all datagrams', () => server.heard.datagrams.length === texts.length);
          expect(server.heard.datagrams).to.deep.equal(texts);
          expect([...server.heard.sources]).to.deep.equal([`${seen} ${client.socket.local.port}`]);

          const back = server.socket.sender(server.heard, { address: seen, port: client.socket.local.port });
          for (const text of texts) back.send(Buffer.from(text));
          await until('all datagrams', () => client.heard.datagrams.length === texts.length);
          expect(client.heard.datagrams).to.deep.equal(texts);
        });
      }

      it('say where a peer hears them from', async () => {
        const { socket } = await open({ local: LOOPBACK });
        expect(socket.localFor({ address: '127.0.0.1', port: 9 })).to.deep.equal(socket.local);
        const connected = (await open({ peer: socket.local })).socket;
        expect(connected.localFor(socket.local))
          .to.deep.equal(connected.local)
          .and.to.include({ address: '127.0.0.1' });
        for (const [any, peer] of [
          ['0.0.0.0', '127.0.0.1'],
          ['::', '127.0.0.1'],
          ['::', '::1'],
        ] as const) {
          const { socket: shared } = await open({ local: { address: any, port: 0 } });
          const local = shared.localFor({ address: peer, port: 9 });
          const expected = { address: peer, port: shared.local.port };
          expect(local).to.deep.equal(openThis === openNativeSocket ? expected : undefined);
        }
      });

      it('pass empty datagrams', async () => {
        const server = await open({ local: LOOPBACK });
        const client = await open({ peer: server.socket.local });
        client.socket.sender(client.heard).send(Buffer.alloc(0));
        await until('a datagram', () => server.heard.datagrams.length === 1);
        expect(server.heard.datagrams).to.deep.equal(['']);
      });

      it('connect from the address they are bound to', async () => {
        const server = await open({ local: { address: '0.0.0.0', port: 0 } });
        const { port } = server.socket.local;
        const client = await open({ local: { address: '127.0.0.7', port: 0 }, peer: { address: '127.0.0.1', port } });
        client.socket.sender(client.heard).send(Buffer.from('hello'));
        await until('a datagram', () => server.heard.datagrams.length === 1);
        expect([...server.heard.sources]).to.deep.equal([`127.0.0.7 ${client.socket.local.port}`]);
      });

      it('tell that the peer refuses datagrams', async () => {
        const gone = await open({ local: LOOPBACK });
        const peer = gone.socket.local;
        await gone.socket.close();
        sockets = [];
        const client = await open({ peer });
        client.socket.sender(client.heard).send(Buffer.from('knock'));
        await until('an error', () => client.heard.errors.length > 0);
        expect(client.heard.errors[0]?.code).to.equal('CONNECT_REFUSED');
      });

      it('tell of a datagram that is too large; the next one goes', async () => {
        const server = await open({ local: LOOPBACK });
        const client = await open({ peer: server.socket.local });
        const sender = client.socket.sender(client.heard);
        sender.send(Buffer.alloc(65_520));
        sender.send(Buffer.from('next'));
        await until(
          'a datagram and an error',
          () => server.heard.datagrams.length === 1 && client.heard.errors.length === 1,
        );
        expect(server.heard.datagrams).to.deep.equal(['next']);
        expect(client.heard.errors[0]?.code).to.equal('TOO_LARGE');
      });

      it('receive nothing more once they are closed, in the midst of what came, too', async () => {
        const server = await open({ local: LOOPBACK });
        const client = await open({ peer: server.socket.local });
        let closed: Promise<void> | undefined;
        server.heard.onReceived = (text) => {
          if (text === '2') closed = server.socket.close();
        };
        const sender = client.socket.sender(client.heard);
        for (let index = 0; index < 9; index++) sender.send(Buffer.from(String(index)));
        await until('the close', () => closed !== undefined);
        await closed;
        sockets = [client.socket];
        expect(server.heard.datagrams).to.deep.equal(['0', '1', '2']);
      });

      it('send what was written before they are closed', async () => {
        const server = await open({ local: LOOPBACK });
        const client = await open({ peer: server.socket.local });
        client.socket.sender(client.heard).send(Buffer.from('last'));
        if (openThis === openNativeSocket) await client.socket.close();
        await until('a datagram', () => server.heard.datagrams.length === 1);
        if (openThis === openNativeSocket) sockets = [server.socket];
      });

      it('send nothing to port 0', async () => {
        const { socket, heard } = await open({ local: LOOPBACK });
        expect(socket.sender(heard, { address: '127.0.0.1', port: 0 }).send(Buffer.from('x'))).to.equal(true);
        await new Promise((resolve) => setImmediate(resolve));
        expect(heard.errors).to.deep.equal([]);
      });

      it('have their port to themselves', async () => {
        const { socket } = await open({ local: LOOPBACK });
        const failure = await failureOf({ local: socket.local });
        expect(failure.code).to.equal('ADDRESS_IN_USE');
        expect(failure.message).to.include(String(socket.local.port));
      });

      it('can’t have an address that isn’t the machine’s', async () => {
        expect((await failureOf({ local: { address: '192.0.2.1', port: 0 } })).code).to.equal('ADDRESS_NOT_AVAILABLE');
      });

      it('share a port where they are asked to, or say that they can’t', async () => {
        if (openThis === openPlainSocket) {
          expect((await failureOf({ local: LOOPBACK, reusePort: true })).code).to.equal('UNSUPPORTED');
          return;
        }
        const first = await open({ local: LOOPBACK, reusePort: true });
        const second = await open({ local: first.socket.local, reusePort: true });
        expect(second.socket.local).to.deep.equal(first.socket.local);
        expect((await failureOf({ local: first.socket.local })).code).to.equal('ADDRESS_IN_USE');
      });
    });
  }
});
