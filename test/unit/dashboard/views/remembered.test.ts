import { expect } from 'chai';
import { remember, type Row } from '../../../../dashboard/views/remembered.ts';

const WHAT = { what: 'x', where: '', message: '', at: { view: 'objects', query: {} } };
const found = (count: number, of: string) =>
  new Map(Array.from({ length: count }, (_, index) => [`${of} ${index}`, { of, ...WHAT }]));

describe('faults that the page remembers', () => {
  it('are all that there are, since when they were found; the oldest of those that are healed go', () => {
    const seen = new Map<string, Row>();
    const old = { ...WHAT, of: 'object', time: '2026-01-01T00:00:00Z' };
    remember(seen, new Map([['old', old]]));
    remember(seen, found(3, 'healed'));
    expect([...seen.values()].map(({ gone }) => gone)).to.deep.equal([true, false, false, false]);
    const now = found(600, 'failed');
    remember(seen, now);
    const times = new Map([...seen].map(([key, { time }]) => [key, time]));
    expect([...seen.keys()]).to.deep.equal([...now.keys()]);
    remember(seen, new Map([...now].map(([key, row]) => [key, { ...row, message: 'again' }])));
    expect(new Map([...seen].map(([key, { time }]) => [key, time]))).to.deep.equal(times);
  });
});
