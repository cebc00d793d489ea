import { expect } from 'chai';
import fc from 'fast-check';
import { type Source, SourceTable } from '../../../../../dataplane/protocols/udp/source-table.ts';

describe("UDP's table of sources", () => {
  it('is a map by address and port', () => {
    const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '::1');
    const port = fc.constantFrom(1, 2, 5060);
    const step = fc.record({ remove: fc.boolean(), address, port });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new SourceTable<Source>();
        const model = new Map<string, Source>();
        for (const { remove, ...source } of steps) {
          const key = `${source.address} ${source.port}`;
          expect(table.get(source.address, source.port)).to.equal(model.get(key));
          const known = model.get(key);
          if (known && remove) {
            table.delete(known);
            model.delete(key);
          } else if (!known) {
            table.add(source);
            model.set(key, source);
          }
          expect(table.get(source.address, source.port)).to.equal(model.get(key));
          expect(table.empty).to.equal(model.size === 0);
          expect(table.all()).to.have.members([...model.values()]);
        }
      }),
    );
  });

  it('forgets only the stream that is gone, not the one that came in its place', () => {
    const table = new SourceTable<Source>();
    const [first, second] = [
      { address: 'a', port: 1 },
      { address: 'a', port: 1 },
    ];
    table.add(first);
    table.delete(first);
    table.add(second);
    table.delete(first);
    expect(table.get('a', 1)).to.equal(second);
  });
});
