/** What waits for what (rule 7), by the turns of a stream. */
import { expect } from 'chai';
import { settled } from '../../../support/cluster.ts';
import { CDS, EDS, LDS, put, RDS, resource, textsOf } from '../../../support/discovery.ts';
import { rawDiscovery } from '../../../support/raw-discovery.ts';

describe('the order of types', () => {
  async function start(names: readonly string[]) {
    const discovery = rawDiscovery();
    put(discovery.view, resource(CDS, 'c', '1'), resource(EDS, 'e', '0'), resource(LDS, 'l', '1'));
    const client = discovery.connect();
    for (const type of [CDS, EDS, LDS]) {
      client.send(type, { resource_names_subscribe: type === EDS ? names : ['*'] });
      await client.take();
    }
    const texts = () => client.received.map(textsOf).join(' ');
    return { ...discovery, client, texts };
  }

  for (const names of [['*'], ['e']]) {
    it(`is not held up by endpoints that change faster than a client answers: ${names[0]!}`, async () => {
      const { view, client, texts } = await start(names);
      const churn = async (text: string) => {
        put(view, resource(EDS, 'e', text));
        await settled();
      };
      await churn('1');
      put(view, resource(LDS, 'l', '2'));
      await churn('2');
      expect(texts()).to.equal('e=1 e=2');
      client.answer();
      await settled();
      client.answer();
      await churn('3');
      expect(texts()).to.equal('e=3 l=2');
      view.apply({ upsert: [resource(EDS, 'e', '4')], remove: [{ typeUrl: CDS, name: 'c' }] });
      await settled();
      client.answer();
      await churn('5');
      expect(texts()).to.equal('l=2 e=4 e=5');
      client.answer();
      client.answer();
      await churn('6');
      expect(texts()).to.equal('e=5 e=6 -c');
      client.close();
    });
  }

  for (const [what, names, rest] of [
    ['of all', ['*'], 3],
    ['of most, as all', ['*'], 5],
    ['of names', ['r', 'same-0', 'same-1'], 2],
  ] as const) {
    it(`is kept after a reconnect: ${what}`, async () => {
      const { view, connect } = rawDiscovery();
      const companion = { typeUrl: EDS, name: 'new' };
      const same = Array.from({ length: rest }, (_, index) => resource(RDS, `same-${index}`, 'S'));
      put(view, resource(CDS, 'old', 'O'), resource(CDS, 'new', 'N', { companion }), resource(EDS, 'new', 'E'));
      put(view, resource(RDS, 'r', 'to new'), ...same);
      const held = what === 'of most, as all' ? [] : same.map(({ name, version }) => [name, version]);
      const client = connect();
      client.send(CDS, { initial_resource_versions: { old: resource(CDS, 'old', 'O').version } });
      const initial_resource_versions = Object.fromEntries([['r', 'x'], ...held]) as Record<string, string>;
      client.send(RDS, { resource_names_subscribe: names, initial_resource_versions });
      await settled();
      const texts = () => client.received.map((each) => textsOf(each).join()).join(' ');
      expect(texts()).to.equal('new=N');
      client.answer();
      await settled();
      expect(texts()).to.equal(''); // it is to ask for the endpoints
      client.send(EDS);
      await settled();
      expect(texts()).to.equal('new=E');
      client.answer();
      await settled();
      expect(texts()).to.include('r=to new');
      client.close();
    });
  }

  it('is of no interest to a stream that has ended in the same turn', async () => {
    const { view, client } = await start(['*']);
    put(view, resource(LDS, 'l', '2'));
    client.close();
    await settled();
    expect(client.received).to.deep.equal([]);
  });

  it('counts what was sent until the last change of what waits', async () => {
    const { view, client, texts } = await start(['*']);
    put(view, resource(CDS, 'c', '2'), resource(LDS, 'l', '2'));
    await settled();
    put(view, resource(CDS, 'd', '3'), resource(LDS, 'm', '3'));
    await settled();
    client.answer();
    await settled();
    expect(texts()).to.equal('d=3');
    client.answer();
    await settled();
    expect(texts()).to.equal('l=2,m=3');
    client.close();
  });
});
