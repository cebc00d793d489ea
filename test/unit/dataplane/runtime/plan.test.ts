import { expect } from 'chai';
import { decodeConfig } from '../../../../config/decode.ts';
import type { ConfigSnapshot } from '../../../../config/snapshot.ts';
import { withDelta, withLocal } from '../../../../dataplane/runtime/plan.ts';

function decoded(config: object, source: 'local' | 'controlplane' = 'local'): ConfigSnapshot {
  const { value } = decodeConfig(config, { source });
  if (value === undefined) throw new Error('the configuration has faults');
  return value;
}

const echo = (name: string): object => ({ name, spec: { protocol: 'Echo' } });
const tcp = (name: string, port: number): object => ({ name, spec: { protocol: 'TCP', port }, endpoints: ['::1'] });

describe('A configuration that takes the place of another', () => {
  it('keeps the objects that are as they were', () => {
    const before = decoded({ clusters: [tcp('same', 1), tcp('other', 1)] });
    const after = withLocal(before, decoded({ clusters: [tcp('same', 1), tcp('other', 2)] }));
    expect(after.clusters.get('same')).to.equal(before.clusters.get('same'));
    expect(after.clusters.get('other')?.value.spec).to.include({ port: 2 });
  });

  it("keeps the control plane's, but for those whose names are its own now", () => {
    const given = decoded({ clusters: [echo('theirs'), echo('both')] }, 'controlplane');
    const before = withDelta(decoded({ clusters: [echo('gone')] }), { upsert: given, remove: [] }, 'controlplane');
    const { clusters } = withLocal(before, decoded({ clusters: [echo('both')] }));
    expect([...clusters].map(([name, { source }]) => `${source} ${name}`).sort()).to.deep.equal([
      'controlplane theirs',
      'local both',
    ]);
  });
});
