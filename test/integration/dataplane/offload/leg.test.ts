/** A socket on its way into the kernel and back, on the kernel itself. */
import { expect } from 'chai';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Leg } from '../../../../dataplane/offload/leg.ts';
import { hasKeepAlive } from '../../../../dataplane/sockets/native/tcp-repair.ts';

describe('a socket that is parked', () => {
  let server: Server;
  let client: Socket;

  beforeEach(async () => {
    server = createServer((socket) => socket.pipe(socket));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    client = connect({ port, host: '127.0.0.1', keepAlive: true });
    await once(client, 'connect');
  });

  afterEach(async () => {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('asks whether its peer is there as before, where it is not handed over after all', async () => {
    const { fd } = Reflect.get(client, '_handle') as { fd: number };
    const place = { address: '127.0.0.1', port: 1 };
    const leg = new Leg(client, { transport: 'tcp', local: place, remote: place });
    expect(hasKeepAlive(fd)).to.equal(true);
    leg.halt();
    leg.park();
    expect(hasKeepAlive(fd)).to.equal(false);
    leg.unhalt();
    leg.thaw();
    expect(hasKeepAlive(fd)).to.equal(true);
    client.write('word');
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(answer.toString()).to.equal('word');
  });
});
