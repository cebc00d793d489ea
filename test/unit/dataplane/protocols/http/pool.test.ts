import { expect } from 'chai';
import { PassThrough } from 'node:stream';
import { ClientConnection, Pool } from '../../../../../dataplane/protocols/http/h1-client.ts';
import { stopClock } from '../../../../support/cluster.ts';

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
      const pool = new Pool({ maxIdle: 1, idleTimeout, onEmpty: () => undefined });
      const connection = new ClientConnection(new PassThrough(), pool);
      connection.release(true);
      await clock.tick(ms);
      expect(connection.socket.destroyed).to.equal(!kept);
      expect(pool.take()).to.equal(kept ? connection : undefined);
      pool.close();
      connection.close();
    });
  }

  it('says when the last connection is gone, be it idle or in use', async () => {
    let empty = 0;
    const pool = new Pool({ maxIdle: 1, idleTimeout: 0, onEmpty: () => empty++ });
    const [idle, used] = [new ClientConnection(new PassThrough(), pool), new ClientConnection(new PassThrough(), pool)];
    idle.release(true);
    idle.close();
    await clock.tick(0);
    expect(empty).to.equal(0);
    used.close();
    await clock.tick(0);
    expect(empty).to.equal(1);
  });

  it('that is closed keeps none that comes back', () => {
    const pool = new Pool({ maxIdle: 1, idleTimeout: 0, onEmpty: () => undefined });
    const connection = new ClientConnection(new PassThrough(), pool);
    pool.close();
    connection.release(true);
    expect(connection.socket.destroyed).to.equal(true);
  });
});
