import { expect } from 'chai';
import { openNativeSocket } from '../../../../../dataplane/protocols/udp/native-socket.ts';
import { openPlainSocket } from '../../../../../dataplane/protocols/udp/plain-socket.ts';
import type { UdpSocket } from '../../../../../dataplane/protocols/udp/socket.ts';
import type { ProxyError } from '../../../../../common/errors.ts';
import { freePort, holdPort } from '../../../../../dataplane/sockets/native/held-ports.ts';

describe('ports that are held', () => {
  const open: UdpSocket[] = [];
  let place = { address: '127.0.0.1', port: 0 };

  const keep = (socket: UdpSocket): UdpSocket => {
    open.push(socket);
    return socket;
  };
  /** Without asking for it as ours do. */
  const stranger = async (): Promise<string | undefined> => {
    try {
      keep(await openPlainSocket({ local: place }));
      return undefined;
    } catch (error) {
      return (error as ProxyError).code;
    }
  };

  beforeEach(async () => {
    const socket = openNativeSocket({ local: { address: '127.0.0.1', port: 0 } });
    place = socket.local;
    await socket.close();
  });
  afterEach(async () => {
    freePort(place.port);
    await Promise.all(open.splice(0).map((socket) => socket.close()));
  });

  it("are nobody else's until they are freed", async () => {
    holdPort(place);
    expect(await stranger()).to.equal('ADDRESS_IN_USE');
    freePort(place.port);
    expect(await stranger()).to.equal(undefined);
  });

  it('are for a socket that asks for their number', async () => {
    holdPort(place);
    expect(keep(openNativeSocket({ local: place })).local).to.deep.equal(place);
    expect(await stranger()).to.equal('ADDRESS_IN_USE');
  });

  it('stay with who has them', () => {
    keep(openNativeSocket({ local: place }));
    holdPort(place);
    expect(() => openNativeSocket({ local: place })).to.throw('address already in use');
  });
});
