/** What is particular to types: the same for ours and Envoy's, and nothing where only the name is alike. */
import { expect } from 'chai';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { ENVOY_TYPES, isSecret, particularsOf } from '../../../../controlplane/model/resource-types.ts';
import { leadsOn } from '../../../../controlplane/status/asking.ts';
import { traitsOf } from '../../../../controlplane/xds/types.ts';

const FOREIGN = 'type.googleapis.com/example.v1.';

describe('types of resources', () => {
  for (const kind of ['Secret', 'Cluster', 'ClusterLoadAssignment', 'Listener'] as const) {
    it(`are the same, ours and Envoy's, and no other of the same name: ${kind}`, () => {
      const types = [typeUrlOf(kind), ENVOY_TYPES[kind], `${FOREIGN}${kind}`];
      const [ours, envoys, foreign] = types.map((typeUrl) => {
        const { removedLast, fullState, endpoints } = traitsOf(typeUrl);
        return { ...particularsOf(typeUrl), removedLast, fullState, endpoints, leadsOn: leadsOn(typeUrl) };
      });
      expect(envoys).to.deep.equal(ours);
      expect(foreign).to.not.deep.equal(ours);
      expect(foreign).to.deep.include({ fullState: false, removedLast: false, endpoints: false, leadsOn: true });
    });
  }

  it('are hidden where the name says that they are secrets, of whatever package', () => {
    expect(
      ['Secret', ENVOY_TYPES.Secret, `${FOREIGN}Secret`, 'Cluster', `${FOREIGN}NoSecret`].map(isSecret),
    ).to.deep.equal([true, true, true, false, false]);
  });
});
