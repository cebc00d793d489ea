/** What clients name takes a bounded room, and no longer than they are there. */
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import type { Call } from '../../../../controlplane/core/rpc.ts';
import { createReportService } from '../../../../controlplane/status/report-service.ts';
import { TrafficBoard } from '../../../../controlplane/status/traffic-board.ts';
import { Tracker } from '../../../../controlplane/status/tracker.ts';
import { ServedView } from '../../../../controlplane/xds/view.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { ADMIN } from '../../../support/controlplane.ts';
import { CDS, OTHER, put, resource } from '../../../support/discovery.ts';
import { settled } from '../../../support/cluster.ts';
import { rawDiscovery } from '../../../support/raw-discovery.ts';

describe('what clients name', () => {
  it('is bounded, as names of resources and as types', () => {
    const { connect } = rawDiscovery({ limits: { maxNameCharacters: 10 } });
    for (const variant of ['delta', 'sotw'] as const) {
      const field = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
      const client = connect(variant);
      client.send(OTHER, { [field]: ['12345', '67890'] });
      expect(() => client.send(`${OTHER}2`, { [field]: ['x'] })).to.throw('expected names of at most 10 characters');
      expect(() => client.send('x'.repeat(1025))).to.throw('expected a type_url of up to 1024 characters, found 1025');
      client.close();
    }
    const other = connect();
    other.send(OTHER, { resource_names_subscribe: ['12345', '67890'] });
    other.send(OTHER, { resource_names_unsubscribe: ['12345'], resource_names_subscribe: ['abcde'] });
    other.close();
  });

  it('is forgotten with the last stream, where there was never anything of it', () => {
    const { view, connect } = rawDiscovery();
    if (!(view instanceof ServedView)) throw new TypeError('expected a view that is served');
    const [one, two] = [connect(), connect()];
    for (const client of [one, two]) client.send(OTHER, { resource_names_subscribe: ['a'] });
    const type = view.type(OTHER);
    two.send(OTHER, { resource_names_unsubscribe: ['a'] });
    one.close();
    expect(view.type(OTHER)).to.equal(type); // it may ask again
    two.close();
    const next = view.type(OTHER);
    expect(next).not.to.equal(type);
    put(view, resource(OTHER, 'a', 'A'));
    const three = connect();
    three.send(OTHER);
    three.close();
    expect(view.type(OTHER)).to.equal(next);
  });

  it('is forgotten of a type with the last stream of a node that asks for it', async () => {
    const tracker = new Tracker({ viewOf: () => undefined, referrersOf: () => [] });
    const { view, connect } = rawDiscovery({}, tracker.observe);
    const types = () => [...tracker.show('')].flatMap((proxy) => proxy.types.map(({ type_url: typeUrl }) => typeUrl));
    const faults = () => [...tracker.show('')].flatMap((proxy) => proxy.faults.map(({ type_url: typeUrl }) => typeUrl));
    const others = [1, 2, 3].map((number) => `${OTHER}${number}`);
    put(view, resource(CDS, 'a', 'A'), ...others.map((typeUrl) => resource(typeUrl, 'a', 'A')));
    const kept = connect();
    kept.send(CDS);
    await kept.take();
    for (const variant of ['delta', 'sotw'] as const) {
      for (const typeUrl of others) {
        const further = connect(variant);
        for (const each of [CDS, typeUrl]) further.send(each);
        await settled();
        further.answer();
        further.answer({ error_detail: { code: 3, message: 'no' } });
        expect([types(), faults()]).to.deep.equal([[CDS, typeUrl], [typeUrl]]);
        further.close();
        expect([types(), faults()]).to.deep.equal([[CDS], []]);
      }
    }
    kept.close();
    tracker.close();
  });

  it('in reports is bounded over all messages of a stream', async () => {
    const tracker = new Tracker({ viewOf: () => undefined, referrersOf: () => [] });
    const service = createReportService(tracker, new TrafficBoard(), silentLogger);
    const handler = service.methods!['Report'] as unknown as (requests: unknown, call: Call) => AsyncIterable<object>;
    let sent = 0;
    async function* requests(): AsyncIterable<m.ReportRequest> {
      await Promise.resolve();
      for (; sent < 100; sent++) {
        const name = `${sent}`.padEnd(1024 * 1024);
        yield { node: 'n', resources: [{ type_url: OTHER, name, version: '1', state: 'accepted', reason: '' }] };
      }
    }
    const call = { identity: ADMIN, peer: '', metadata: {}, signal: new AbortController().signal };
    const answers = handler(requests(), call)[Symbol.asyncIterator]();
    let message = '';
    try {
      while ((await answers.next()).done !== true);
    } catch (error) {
      message = String(error);
    }
    expect(message).to.include('expected reports of at most');
    expect(sent).to.equal(31);
    tracker.close();
  });
});
