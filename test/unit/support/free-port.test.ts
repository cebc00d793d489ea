/** Which ports tests get. */
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePort, portsToGive } from '../../support/free-port.ts';

describe('A free port', () => {
  it('is another one each time, and none that somebody has', async () => {
    const port = await freePort();
    const server = createServer().listen(port + 1, '127.0.0.1');
    await once(server, 'listening');
    try {
      expect(await freePort()).to.not.be.oneOf([port, port + 1]);
    } finally {
      server.close();
    }
  });

  it('is where the kernel hands out none, as long as there are enough', () => {
    expect(portsToGive('32768\t60999\n')).to.deep.equal([12_000, 32_768]);
    expect(portsToGive('1024\t60999\n')).to.deep.equal([61_000, 65_536]);
    expect(portsToGive('12001\t30000\n')).to.deep.equal([30_001, 65_536]);
    expect(portsToGive('1024\t65535\n')).to.deep.equal([12_000, 65_536]);
    expect(portsToGive('1024\t9000\n')).to.deep.equal([12_000, 65_536]);
  });
});
