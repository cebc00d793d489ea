/** What streams are sent whose proxy sees another view, in the turn in which that comes. */
import { expect } from 'chai';
import { createView } from '../../../../controlplane/xds/view.ts';
import { settled } from '../../../support/cluster.ts';
import { CDS, EDS, LDS, OTHER, put, resource, take } from '../../../support/discovery.ts';
import { rawDiscovery } from '../../../support/raw-discovery.ts';

const one = (typeUrl: string, name: string) => resource(typeUrl, name, name.toUpperCase());

describe('a stream that sees another view', () => {
  it('before it was sent all is told what is gone of what the client says that it has', async () => {
    const { view, connect, move } = rawDiscovery();
    put(view, one(LDS, 'a'), one(LDS, 'b'), one(LDS, 'c'));
    const moved = createView();
    put(moved, one(LDS, 'b'), one(LDS, 'c'));
    const client = connect();
    client.send(LDS, { initial_resource_versions: { a: one(LDS, 'a').version, old: '1' } });
    move(moved);
    expect((await client.take()).join().split(/[, ]/u).toSorted()).to.deep.equal(
      ['Listener', 'b=B', 'c=C', 'Listener', '-a', '-old'].toSorted(),
    );
    client.close();
  });

  it('before it was sent all again is told what is gone', async () => {
    const { view, connect, move } = rawDiscovery();
    put(view, one(OTHER, 'a'), one(OTHER, 'b'), one(OTHER, 'c'));
    const moved = createView();
    put(moved, one(OTHER, 'c'));
    const client = connect();
    client.send(OTHER);
    await client.take();
    client.send(OTHER, { resource_names_subscribe: ['*'] });
    take(view, one(OTHER, 'b'));
    move(moved);
    expect(await client.take()).to.deep.equal(['Other c=C', 'Other -a,-b']);
    client.close();
  });

  it('before it was sent anything is told of nothing that it never had', async () => {
    const { view, connect, move } = rawDiscovery();
    put(view, one(OTHER, 'a'));
    const moved = createView();
    put(moved, one(OTHER, 'b'));
    const client = connect();
    client.send(OTHER);
    move(moved);
    expect(await client.take()).to.deep.equal(['Other b=B']);
    client.close();
  });

  for (const variant of ['delta', 'sotw'] as const) {
    it(`is sent the endpoints of named clusters that are others there, though they are the same: ${variant}`, async () => {
      const { view, connect, move } = rawDiscovery();
      const cluster = (name: string, text: string) => resource(CDS, name, text, { companion: { typeUrl: EDS, name } });
      const endpoints = [one(EDS, 'same'), one(EDS, 'changed'), one(EDS, 'other')];
      put(view, cluster('same', '1'), cluster('changed', '1'), ...endpoints);
      const moved = createView();
      put(moved, cluster('same', '1'), cluster('changed', '2'), ...endpoints);
      const client = connect(variant);
      const names = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
      const named = { [CDS]: ['same', 'changed'], [EDS]: ['same', 'changed', 'other'] };
      for (const [type, all] of Object.entries(named)) {
        client.send(type, { [names]: all });
        await settled();
        client.answer(variant === 'sotw' ? { [names]: all } : {});
      }
      move(moved);
      await settled();
      expect(client.received.map(({ type_url }) => type_url)).to.deep.equal([CDS]);
      client.answer(variant === 'sotw' ? { [names]: named[CDS] } : {});
      const [sent, ...more] = await client.take();
      expect(sent).to.equal(
        variant === 'delta' ? 'ClusterLoadAssignment changed=CHANGED' : 'ClusterLoadAssignment CHANGED',
      );
      expect(more).to.deep.equal([]);
      client.close();
    });
  }
});
