import { expect } from 'chai';
import type { Metadata } from '../../../../dataplane/core/session.ts';
import { testCluster } from '../../../support/cluster.ts';

const Capture = { direction: 'outbound', dst_addr: '10.9.0.1', dst_port: 80 };

describe('a cluster of original destinations', () => {
  const original = (): ReturnType<typeof testCluster> => testCluster({ endpoints: [], original_destination: true });

  it('connects each session to where its client meant to go', () => {
    const { connect, connector, cluster } = original();
    expect(connect({ Capture }).endpoint.address).to.equal('10.9.0.1');
    connect({ Capture: { ...Capture, dst_addr: 'fd09::1', dst_port: 81 } });
    expect(connector.targets).to.deep.equal(['10.9.0.1:80', '[fd09::1]:81']);
    expect(connector.requests.map(({ target }) => target.port)).to.deep.equal([80, 81]);
    // What is of one session is no endpoint that others could have.
    expect(cluster.view()).to.deep.equal([]);
  });

  it('has none for a session that was not captured, or whose destination is none', () => {
    const { refusal } = original();
    expect(refusal()).to.equal('NO_ENDPOINT');
    for (const wrong of [{ dst_addr: 'name' }, { dst_port: 'x' }, { dst_addr: undefined }]) {
      const metadata = { Capture: { ...Capture, ...wrong } } as Metadata;
      expect(refusal({ metadata })).to.equal('NO_ENDPOINT');
    }
  });
});
