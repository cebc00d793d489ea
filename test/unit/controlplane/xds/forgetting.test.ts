/** Removals are remembered for streams that keep up, however many come at once: they are not ended because of them. */
import { expect } from 'chai';
import { OTHER, put, resource, take } from '../../../support/discovery.ts';
import { rawDiscovery } from '../../../support/raw-discovery.ts';

/** More than a log remembers for those who are behind. */
const MANY = 17_000;

describe('many removals at once', () => {
  it('are told to those who keep up', async () => {
    const { view, connect } = rawDiscovery();
    const many = Array.from({ length: MANY }, (_, index) => resource(OTHER, String(index), 'x'));
    put(view, ...many);
    const client = connect();
    client.send(OTHER);
    await client.take();
    take(view, ...many);
    const told = (await client.take()).flatMap((each) => each.slice('Other '.length).split(','));
    expect(client.status()).to.equal(undefined);
    expect(told).to.have.length(MANY);
    client.close();
  });
});
