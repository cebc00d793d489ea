/** What a client has that says what it has: found entry by entry, or known from another client, it is the same. */
import { expect } from 'chai';
import fc from 'fast-check';
import { compareHeld, heldByClient } from '../../../../controlplane/xds/difference.ts';
import { digestOf } from '../../../../controlplane/xds/digest.ts';
import { type Entries, readDeltaRequest } from '../../../../controlplane/xds/requests.ts';
import { TypeLog } from '../../../../controlplane/xds/type-log.ts';
import type { DeltaDiscoveryRequest } from '../../../../gen/messages.ts';
import { codecOf } from '../../../../rpc/protos.ts';
import { OTHER, resource } from '../../../support/discovery.ts';

type Pair = readonly [name: string, version: string];

const codec = codecOf<DeltaDiscoveryRequest>('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const name = fc.constantFrom('a', 'b', 'ä', '', 'a-longer-name');
const version = fc.constantFrom('1', '2', '');
const pairs = fc.array(fc.tuple(name, version), { maxLength: 8 });

/** As a client sends them: one request with each entry after the other, so that names may come twice. */
function entriesOf(said: readonly Pair[]): Entries {
  const encoded = said.map(([key, value]) => codec.encode({ initial_resource_versions: { [key]: value } }));
  return readDeltaRequest(Buffer.concat(encoded)).initialVersions;
}

function logOf(resources: readonly Pair[]): TypeLog {
  const log = new TypeLog(OTHER);
  for (const [key, value] of resources) log.put({ ...resource(OTHER, key, ''), version: value });
  return log;
}

describe('what a client says that it has', () => {
  it('is what is in its version of now, what is not, and what is gone, as another client with the same is told', () => {
    const orders = pairs.chain((said) =>
      fc.tuple(fc.constant(said), fc.shuffledSubarray(said, { minLength: said.length })),
    );
    fc.assert(
      fc.property(pairs, fc.array(orders, { maxLength: 12 }), (resources, clients) => {
        const log = logOf(resources);
        for (const [said, reordered] of clients) {
          const held = heldByClient(log, entriesOf(said));
          expect(heldByClient(log, entriesOf(reordered))).to.equal(held);
          const all = (key: string): string[] => said.filter(([each]) => each === key).map(([, value]) => value);
          const current = [...log.live.values()].filter((each) => {
            const versions = all(each.name);
            return versions.length > 0 && versions.every((value) => value === each.version);
          });
          expect(held.versions).to.deep.equal(new Map(current.map((each) => [each.name, each.version])));
          expect(held.upserts).to.deep.equal(new Set([...log.live.keys()].filter((key) => !held.versions.has(key))));
          expect(held.removals).to.deep.equal(new Set(said.map(([key]) => key).filter((key) => !log.live.has(key))));
          expect(compareHeld(log, entriesOf(reordered))).to.deep.equal(held);
        }
      }),
    );
  });

  it('is found anew after a change', () => {
    const log = logOf([['a', '1']]);
    const entries = entriesOf([['a', '1']]);
    expect(heldByClient(log, entries).upserts.size).to.equal(0);
    log.put({ ...resource(OTHER, 'a', ''), version: '2' });
    expect(heldByClient(log, entries).upserts).to.deep.equal(new Set(['a']));
    log.remove('a');
    expect(heldByClient(log, entries).removals).to.deep.equal(new Set(['a']));
  });

  it('is another thing where any byte of it, its length or its number is another', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 24 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, place, change) => {
          const other = Uint8Array.from(bytes);
          if (other.length > 0) other[place % other.length]! ^= change;
          const texts = [
            [],
            [bytes],
            [bytes, bytes],
            [Uint8Array.of(...bytes, 0)],
            [Uint8Array.of(0, ...bytes)],
            [other],
          ];
          const digests = texts.map((entries) => {
            const bounds: number[] = [];
            let end = 0;
            for (const { length } of entries) bounds.push(end, (end += length));
            return digestOf({ bytes: Buffer.concat(entries), bounds });
          });
          const distinct = new Set(texts.map((entries) => entries.map(String).join(';') + String(entries.length)));
          expect(new Set(digests).size).to.equal(distinct.size);
        },
      ),
    );
  });
});
