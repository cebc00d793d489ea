import { expect } from 'chai';
import { PassThrough } from 'node:stream';
import { ClientConnection, Pool } from '../../../dataplane/protocols/http/h1-client.ts';
import { stopClock } from '../../support/cluster.ts';

describe('A pool of idle connections', () => {
  let clock: ReturnType<typeof stopClock>;

  beforeEach(() => (clock = stopClock()));
  afterEach(() => clock.restore());

  for (const [idleTimeout, ms, kept] of [
    [100, 99, true],
    [100, 100, false],
    [0, 2 ** 31, true],
  ] as const) {
    it(`${kept ? 'keeps' : 'has closed'} one after ${ms} ms, with idle_timeout ${idleTimeout}`, async () => {
      const pool = new Pool({ maxIdle: 1, idleTimeout });
      const connection = new ClientConnection(new PassThrough(), pool);
      connection.release(true);
      await clock.tick(ms);
      expect(connection.socket.destroyed).to.equal(!kept);
      expect(pool.take()).to.equal(kept ? connection : undefined);
      pool.close();
      connection.close();
    });
  }
});
