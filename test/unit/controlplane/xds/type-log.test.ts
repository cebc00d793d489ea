/** The log of changes: whoever follows it, however far behind, ends with what there is. */
import { expect } from 'chai';
import fc from 'fast-check';
import { CHUNK_BYTES, TypeLog } from '../../../../controlplane/xds/type-log.ts';
import { OTHER, resource } from '../../../support/discovery.ts';

/** What a client has that is sent all that follows its positions. */
class Follower {
  readonly has = new Map<string, string>();
  upserts = 0;
  removals = 0;

  catchUp(log: TypeLog): void {
    for (;;) {
      const batch = log.upsertsAfter(this.upserts, 'delta');
      if (batch === undefined) break;
      expect(batch.upTo).to.be.greaterThan(this.upserts);
      const names = batch.resources.map(({ name }) => name);
      expect(new Set(names).size, 'no name twice').to.equal(names.length);
      for (const { name, version } of batch.resources) this.has.set(name, version);
      this.upserts = batch.upTo;
    }
    this.upserts = log.head;
    while (this.removals < log.lastRemoval) {
      const { names, upTo } = log.removalsAfter(this.removals);
      for (const name of names) this.has.delete(name);
      this.removals = upTo;
    }
  }
}

describe('the log of a type', () => {
  it('has heartbeats of all in bounded responses, which streams share until something changes', () => {
    const log = new TypeLog(OTHER);
    const name = (index: number): string => `${String(index).padStart(4, '0')}${'x'.repeat(500)}`;
    for (let index = 0; index < 1000; index++) log.put(resource(OTHER, name(index), 'x', { ttlMs: 1000 }));
    log.put(resource(OTHER, 'without', 'x'));
    const all = (covers?: (each: string) => boolean): Buffer[] => {
      const found: Buffer[] = [];
      for (let place = 0; ;) {
        const beats = log.heartbeatsAfter(place, 'delta-ttl', covers);
        if (beats === undefined) return found;
        expect(beats.body).to.deep.include({ resources: [], removed: [] });
        found.push(Buffer.concat(beats.body.parts));
        expect(found.at(-1)!.length).to.be.at.most(CHUNK_BYTES + 200);
        expect(log.heartbeatsAfter(place, 'delta-ttl', covers)?.body === beats.body).to.equal(covers === undefined);
        place = beats.upTo;
      }
    };
    const namesIn = (responses: readonly Buffer[]): string[] =>
      responses.flatMap((each) => each.toString('latin1').match(/\d{4}x{500}/gu) ?? []);
    expect(all()).to.have.length.above(1);
    expect(namesIn(all())).to.deep.equal(Array.from({ length: 1000 }, (_, index) => name(index)));
    expect(namesIn(all((each) => each < name(700) && each >= name(10)))).to.have.length(690);
    expect(all((each) => each === 'without')).to.deep.equal([]);
    // Whoever has had the first ones misses none, whatever changes meanwhile.
    const first = log.heartbeatsAfter(0, 'delta-ttl')!;
    const had = namesIn(first.body.parts);
    log.remove(name(0));
    log.put(resource(OTHER, name(had.length), 'changed', { ttlMs: 1000 }));
    const next = log.heartbeatsAfter(first.upTo, 'delta-ttl')!;
    expect(namesIn(next.body.parts)[0]).to.equal(name(had.length));
  });

  it('brings everybody to the state of now', () => {
    const name = fc.integer({ min: 0, max: 12 }).map(String);
    const operation = fc.oneof(
      fc.tuple(
        fc.constant('put'),
        name,
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: Math.floor(CHUNK_BYTES / 3) }),
      ),
      fc.tuple(fc.constant('remove'), name),
      fc.tuple(fc.constant('touch'), name),
      fc.tuple(fc.constant('follow'), fc.integer({ min: 0, max: 2 })),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const log = new TypeLog(OTHER);
        const followers = [new Follower(), new Follower(), new Follower()];
        for (const [what, which, version = 0, bytes = 0] of operations) {
          if (what === 'put') {
            log.put({ ...resource(OTHER, which, ''), version: String(version), value: Buffer.alloc(bytes) });
          } else if (what === 'remove') log.remove(which);
          else if (what === 'touch') log.touch(which);
          else followers[which]!.catchUp(log);
        }
        const expected = [...log.live.values()].map((each) => [each.name, each.version]).toSorted();
        for (const follower of [...followers, new Follower()]) {
          follower.catchUp(log);
          expect([...follower.has].toSorted()).to.deep.equal(expected);
        }
        const whole = log.whole('sotw', []).resources.map((each) => [each.name, each.version]);
        expect(whole.toSorted()).to.deep.equal(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the very same bytes to all that are equally far, and keeps those of what does not change', () => {
    const log = new TypeLog(OTHER);
    for (let index = 0; index < 1000; index++) log.put(resource(OTHER, String(index), 'x'.repeat(1000)));
    const first = log.upsertsAfter(0, 'delta');
    expect(first?.resources.length).to.be.lessThan(300);
    expect(log.upsertsAfter(0, 'delta')).to.equal(first);
    log.put(resource(OTHER, '999', 'y'));
    expect(log.upsertsAfter(0, 'delta')?.bytes).to.equal(first?.bytes);
    expect(log.upsertsAfter(log.head - 1, 'delta')?.resources.map(({ name }) => name)).to.deep.equal(['999']);
    expect(log.whole('sotw', [])).to.equal(log.whole('sotw', []));
  });

  it('remembers a bound of removals', () => {
    const log = new TypeLog(OTHER);
    for (let index = 0; index < 40_000; index++) {
      log.put(resource(OTHER, String(index), ''));
      log.remove(String(index));
    }
    expect(log.floor).to.be.greaterThan(0);
    expect(log.removalsAfter(log.floor, log.head, Infinity).names.length).to.be.lessThan(20_000);
    expect(log.entry('0')).to.equal(undefined);
  });
});
