/** Durations by bucket, and the spans by which they can be looked at. */
import { expect } from 'chai';
import { Histogram } from '../../../common/histogram.ts';

const span = (spanId: string) => ({ traceId: 'a'.repeat(32), spanId, sampled: true });

describe('a histogram', () => {
  it('keeps nothing of what is not recorded', () => {
    const histogram = new Histogram([1]);
    histogram.add(1);
    expect(histogram.exemplars).to.equal(undefined);
  });

  it('keeps the last span of each bucket', () => {
    const histogram = new Histogram([1, 10]);
    histogram.add(1, span('first'));
    histogram.add(0, span('second'));
    histogram.add(0.5);
    histogram.add(11, span('third'));
    const kept = [0, 1, 2].map((bucket) => histogram.exemplars?.of(bucket));
    expect(kept.map((exemplar) => exemplar?.spanId)).to.deep.equal(['second', undefined, 'third']);
    expect(kept.map((exemplar) => exemplar?.elapsed)).to.deep.equal([0, undefined, 11]);
    expect(histogram.counts).to.deep.equal([3, 0, 1]);
  });
});
