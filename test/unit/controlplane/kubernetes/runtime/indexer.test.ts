import { expect } from 'chai';
import { Readable } from 'node:stream';
import type { EndpointSlice } from '../../../../../controlplane/kubernetes/api/core-kinds.ts';
import { type Changes, Indexer } from '../../../../../controlplane/kubernetes/runtime/indexer.ts';
import { jsonLines } from '../../../../../controlplane/kubernetes/runtime/json-lines.ts';
import { until } from '../../../../support/until.ts';

function slice(name: string, service: string, version: number): EndpointSlice {
  const labels = { service };
  const metadata = { name, namespace: 'shop', resourceVersion: `${version}`, labels };
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' };
}

describe('controlplane/kubernetes/runtime/indexer', () => {
  let indexer: Indexer;
  const changes: Changes[] = [];

  beforeEach(() => {
    changes.length = 0;
    const service = ({ metadata }: EndpointSlice): string[] => [
      `${metadata.namespace}/${metadata.labels?.['service']}`,
    ];
    indexer = new Indexer({ indexes: { EndpointSlice: { service } } });
    indexer.onChange((each) => changes.push(each));
  });
  afterEach(() => indexer.close());

  const bySevice = (name: string): string[] =>
    Array.from(indexer.by('EndpointSlice', 'service', `shop/${name}`), ({ metadata }) => metadata.name).sort();

  it('finds objects by name and by index, through changes, deletions and lists', () => {
    const table = indexer.open('EndpointSlice');
    table.put(slice('a', 'web', 1));
    table.put(slice('b', 'web', 2));
    expect(indexer.get('EndpointSlice', 'shop', 'a')?.metadata.resourceVersion).to.equal('1');
    expect(bySevice('web')).to.deep.equal(['a', 'b']);
    table.put(slice('a', 'dns', 3));
    expect([bySevice('web'), bySevice('dns')]).to.deep.equal([['b'], ['a']]);
    table.remove(slice('b', 'web', 4));
    expect(bySevice('web')).to.deep.equal([]);
    table.replace(new Map([['shop/c', slice('c', 'dns', 5)]]));
    expect(bySevice('dns')).to.deep.equal(['c']);
    expect(indexer.size('EndpointSlice')).to.equal(1);
    expect(() => indexer.by('EndpointSlice', 'zone', 'x')).to.throw(RangeError, /"zone"/u);
  });

  it('tells of many changes at once, and of nothing that is as it was', async () => {
    const table = indexer.open('EndpointSlice');
    for (let version = 1; version <= 1000; version++) table.put(slice(`s${version % 10}`, 'web', version));
    await until('a change', () => changes.length === 1);
    expect(changes[0]!.get('EndpointSlice')!.size).to.equal(10);
    table.replace(new Map(Array.from(table.values(), (each) => [`shop/${each.metadata.name}`, each])));
    table.put(slice('other', 'web', 1001));
    await until('another', () => changes.length === 2);
    expect([...changes[1]!.get('EndpointSlice')!]).to.deep.equal(['shop/other']);
  });

  it('has the newest version, and tells nothing, of a change of which nothing is kept', async () => {
    const table = indexer.open('EndpointSlice');
    table.put(slice('a', 'web', 1));
    await until('a change', () => changes.length === 1);
    table.put(slice('a', 'web', 2));
    table.replace(new Map([['shop/a', slice('a', 'web', 3)]]));
    table.put(slice('b', 'web', 4));
    await until('another', () => changes.length === 2);
    expect([...changes[1]!.get('EndpointSlice')!]).to.deep.equal(['shop/b']);
    expect(indexer.get('EndpointSlice', 'shop', 'a')?.metadata.resourceVersion).to.equal('3');
    const indexed = [...indexer.by('EndpointSlice', 'service', 'shop/web')];
    expect(indexed.map(({ metadata }) => metadata.resourceVersion)).to.deep.equal(['3', '4']);
  });

  it('tells when a kind comes and goes', async () => {
    expect(indexer.has('EndpointSlice')).to.equal(false);
    expect([...indexer.list('EndpointSlice')]).to.deep.equal([]);
    indexer.open('EndpointSlice').put(slice('a', 'web', 1));
    await until('a change', () => changes.length === 1);
    indexer.drop('EndpointSlice');
    expect(indexer.has('EndpointSlice')).to.equal(false);
    expect(indexer.get('EndpointSlice', 'shop', 'a')).to.equal(undefined);
    await until('another', () => changes.length === 2);
    expect(changes[1]!.has('EndpointSlice')).to.equal(true);
  });
});

describe('controlplane/kubernetes/runtime/json-lines', () => {
  function* chunksOf(text: string, size: number): Generator<Buffer> {
    const bytes = Buffer.from(text);
    for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
  }
  const read = async (text: string, size: number, max = 100): Promise<unknown[]> => {
    const values: unknown[] = [];
    for await (const batch of jsonLines(Readable.from(chunksOf(text, size)), max)) values.push(...batch);
    return values;
  };

  it('reads values wherever chunks end, also in the middle of a letter', async () => {
    const text = '{"a":"é"}\n\n[1,\t2]\n"cut';
    for (let size = 1; size <= text.length + 1; size++) {
      expect(await read(text, size)).to.deep.equal([{ a: 'é' }, [1, 2]]);
    }
  });

  it('refuses a line that is too long before it has all of it', async () => {
    let failure: unknown;
    await read(`"${'x'.repeat(1000)}`, 10).catch((error: unknown) => (failure = error));
    expect(failure).to.be.instanceOf(RangeError);
  });
});
