import { expect } from 'chai';
import { hashOf, placeOf } from '../../../dashboard/address.ts';

describe("the dashboard's address", () => {
  it('has a view, what it is of, and what is open in it', () => {
    const { view, query, open } = placeOf('#sessions?proxy=edge+1&open=TCP%3A%5B%3A%3A1%5D%3A80-1');
    expect({ view, query: [...query], open }).to.deep.equal({
      view: 'sessions',
      query: [['proxy', 'edge 1']],
      open: 'TCP:[::1]:80-1',
    });
    expect(placeOf('')).to.deep.include({ view: '', open: undefined });
    expect(placeOf('#topology').open).to.equal(undefined);
  });

  it('is read as it was written, whatever names have in them', () => {
    for (const open of ['Cluster/a b', '?&=#%', 'file:ä.yaml', 'x\ny']) {
      const place = placeOf(hashOf({ view: 'objects', query: new URLSearchParams({ search: open }), open }));
      expect([place.view, place.query.get('search'), place.open]).to.deep.equal(['objects', open, open]);
    }
    expect(hashOf({ view: 'faults', query: new URLSearchParams(), open: undefined })).to.equal('#faults');
  });
});
