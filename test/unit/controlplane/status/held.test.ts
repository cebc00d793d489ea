/** What a proxy is known to hold, from its streams: what it let go it does not hold, however equal what comes later is. */
import { expect } from 'chai';
import { Tracker } from '../../../../controlplane/status/tracker.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { recordingLogger, settled } from '../../../support/cluster.ts';
import { LDS, OTHER, put, resource, take } from '../../../support/discovery.ts';
import { rawDiscovery } from '../../../support/raw-discovery.ts';

const one = (typeUrl: string, name: string) => resource(typeUrl, name, name.toUpperCase());

describe('what a proxy holds', () => {
  function start(log = silentLogger) {
    const tracker = new Tracker({ viewOf: () => undefined, referrersOf: () => [] });
    const { observe } = tracker;
    after(() => tracker.close());
    const held = (typeUrl: string) =>
      ['a', 'b', 'c'].filter((name) => tracker.hasAcked('n', [one(typeUrl, name)])).join('');
    return { ...rawDiscovery({ log }, observe), tracker, held };
  }

  it('is what the last full response has, of state of the world', async () => {
    const { view, connect, held } = start();
    put(view, one(LDS, 'a'), one(LDS, 'b'));
    const client = connect('sotw');
    client.send(LDS);
    await client.take();
    expect(held(LDS)).to.equal('ab');
    take(view, one(LDS, 'a'));
    await client.take();
    expect(held(LDS)).to.equal('b');
    take(view, one(LDS, 'b'));
    await client.take();
    expect(held(LDS)).to.equal('');
    put(view, one(LDS, 'a'));
    await settled();
    expect(held(LDS)).to.equal(''); // sent, and not answered yet
    await client.take();
    expect(held(LDS)).to.equal('a');
    client.close();
  });

  it('is not what was removed by a response that it refused', async () => {
    const { view, connect, held } = start();
    put(view, one(OTHER, 'a'), one(OTHER, 'b'));
    const client = connect();
    client.send(OTHER);
    await client.take();
    for (const message of ['c: no', 'no']) {
      put(view, one(OTHER, 'a'));
      await client.take();
      expect(held(OTHER)).to.match(/a/u);
      view.apply({ upsert: [resource(OTHER, 'c', message)], remove: [one(OTHER, 'a')] });
      await settled();
      client.answer({ error_detail: { code: 3, message } });
      expect(held(OTHER)).to.equal('b');
    }
    client.close();
  });

  for (const variant of ['delta', 'sotw'] as const) {
    it(`is what its streams hold together, of several with one identity: ${variant}`, async () => {
      const { view, connect, held } = start();
      put(view, one(LDS, 'a'), one(LDS, 'b'), one(LDS, 'c'));
      const field = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
      const subscribed = async (...names: readonly string[]) => {
        const client = connect(variant);
        client.send(LDS, { [field]: names });
        await settled();
        client.answer(variant === 'delta' ? {} : { [field]: names });
        return client;
      };
      const first = await subscribed('a', 'b');
      expect(held(LDS)).to.equal('ab');
      const second = await subscribed('b', 'c');
      expect(held(LDS)).to.equal('abc');
      first.close();
      expect(held(LDS)).to.equal('bc');
      second.close();
      expect(held(LDS)).to.equal('');
    });
  }

  it('is that of the proxy that is left, of two with one identity', async () => {
    const log = recordingLogger();
    const { view, connect, tracker, held } = start(log);
    put(view, one(LDS, 'a'));
    const hello = async (peer: string) => {
      const client = connect('delta', 'n', peer);
      client.send(LDS);
      await settled();
      return client;
    };
    const addresses = () => [...tracker.show('')].map(({ address }) => address);
    const older = await hello('10.0.0.1:1');
    await older.take();
    const newer = await hello('10.0.0.2:2');
    expect(addresses()).to.deep.equal(['10.0.0.2:2']);
    expect(log.lines).to.deep.equal([
      'warn: a proxy has come while another connection has its identity: each needs an --id of its own',
    ]);
    expect(log.fields).to.deep.equal([{ node: 'n', peer: '10.0.0.2:2', other_peer: '10.0.0.1:1' }]);
    expect(older.status()).to.equal(undefined);
    newer.close();
    expect(older.status()).to.contain('connect again, and say what you have');
    older.close();
    expect([addresses(), held(LDS)]).to.deep.equal([[], '']);
    const again = await hello('10.0.0.1:3');
    await again.take();
    expect([addresses(), held(LDS)]).to.deep.equal([['10.0.0.1:3'], 'a']);
    again.close();
  });

  it('stays where an old connection ends after the new one has come', async () => {
    const { view, connect, held } = start();
    put(view, one(LDS, 'a'));
    const [old, fresh] = ['10.0.0.1:1', '10.0.0.1:2'].map((peer) => connect('delta', 'n', peer));
    for (const client of [old, fresh]) {
      client?.send(LDS);
      await client?.take();
    }
    old?.close();
    expect([fresh?.status(), held(LDS)]).to.deep.equal([undefined, 'a']);
    fresh?.close();
  });

  it('is not what it does not ask for any more', async () => {
    const { view, connect, held } = start();
    put(view, one(OTHER, 'a'), one(OTHER, 'b'));
    const client = connect();
    client.send(OTHER, { resource_names_subscribe: ['a', 'b'] });
    await client.take();
    client.send(OTHER, { resource_names_unsubscribe: ['a'] });
    expect(held(OTHER)).to.equal('b');
    client.close();
  });
});
