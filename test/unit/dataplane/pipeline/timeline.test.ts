import { expect } from 'chai';
import { Timeline } from '../../../../dataplane/pipeline/timeline.ts';

function timeline(count: number): readonly string[] {
  const all = new Timeline();
  for (let number = 0; number < count; number++) {
    all.add({ event: 'RETRY', timestamp: number, message: `${number}` });
  }
  return all.events.map(({ timestamp, message }) => `${timestamp} ${message}`);
}

describe('The timeline of a session', () => {
  it('has everything as long as it is short', () => {
    expect(timeline(64)).to.deep.equal(Array.from({ length: 64 }, (_, number) => `${number} ${number}`));
  });

  it('has the first and the last of many, and says how many are left out', () => {
    const events = timeline(100_000);
    expect(events).to.have.length(65);
    expect(events.slice(0, 17)).to.deep.equal([
      ...Array.from({ length: 16 }, (_, number) => `${number} ${number}`),
      '99951 99936 events are not kept: only the first 16 and the last 48',
    ]);
    expect([events[17], events.at(-1)]).to.deep.equal(['99952 99952', '99999 99999']);
  });
});
