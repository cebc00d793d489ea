import { expect } from 'chai';
import type { OwnedContent } from '../../../../controlplane/kubernetes/api/reader.ts';
import { Publication } from '../../../../controlplane/kubernetes/publication.ts';

const cluster = (owner: string, name: string, port: number): OwnedContent => ({
  owner: { kind: 'Target', namespace: 'shop', name: owner },
  content: { key: { kind: 'Cluster', name }, labels: {}, spec: { spec: { protocol: 'TCP', port } } },
});

/** As in `kubernetes:Target/shop/a: Cluster/a Cluster/b`. */
function shown(changes: ReturnType<Publication['changes']>): string[] {
  return [...changes].map(([part, objects]) => `${part}: ${objects.map(({ id }) => id).join(' ')}`);
}

describe('what is put of Kubernetes', () => {
  it('is a part for each owner, once', () => {
    const publication = new Publication();
    const contents = [cluster('a', 'a', 1), cluster('b', 'b', 1), cluster('a', 'c', 1)];
    expect(shown(publication.changes(contents))).to.deep.equal([
      'kubernetes:Target/shop/a: Cluster/a Cluster/c',
      'kubernetes:Target/shop/b: Cluster/b',
    ]);
    expect(shown(publication.changes(contents))).to.deep.equal([]);
  });

  it('is the parts that changed only, and nothing for those that are gone', () => {
    const publication = new Publication();
    publication.changes([cluster('a', 'a', 1), cluster('b', 'b', 1), cluster('c', 'c', 1)]);
    expect(shown(publication.changes([cluster('a', 'a', 1), cluster('b', 'b', 2)]))).to.deep.equal([
      'kubernetes:Target/shop/b: Cluster/b',
      'kubernetes:Target/shop/c: ',
    ]);
  });
});
