/** Discovery requests, read by hand as protobufjs reads them by their descriptors; and no bytes that do harm. */
import { expect } from 'chai';
import fc from 'fast-check';
import { RpcError } from '../../../../controlplane/core/rpc.ts';
import { readDeltaRequest, readSotwRequest, readVersions } from '../../../../controlplane/xds/requests.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../../gen/messages.ts';
import { codecOf } from '../../../../rpc/protos.ts';

const delta = codecOf<DeltaDiscoveryRequest>('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const sotw = codecOf<DiscoveryRequest>('envoy.service.discovery.v3.DiscoveryRequest');
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const error = fc.option(
  text.map((message) => ({ code: 3, message, details: [] })),
  { nil: undefined },
);

describe('discovery requests', () => {
  it('are read as their descriptors say', () => {
    fc.assert(
      fc.property(
        fc.record({
          type_url: text,
          resource_names_subscribe: fc.array(text),
          resource_names_unsubscribe: fc.array(text),
          initial_resource_versions: fc.dictionary(text, text),
          response_nonce: text,
          error_detail: error,
        }),
        (fields) => {
          const versions: [string, string][] = [];
          const found = readDeltaRequest(delta.encode(fields as Partial<DeltaDiscoveryRequest>));
          readVersions(found.initialVersions, (...entry) => versions.push(entry));
          expect({ ...found, initialVersions: Object.fromEntries(versions) }).to.deep.equal({
            node: undefined,
            typeUrl: fields.type_url,
            nonce: fields.response_nonce,
            error: fields.error_detail?.message,
            subscribe: fields.resource_names_subscribe,
            unsubscribe: fields.resource_names_unsubscribe,
            initialVersions: fields.initial_resource_versions,
          });
        },
      ),
    );
    const request = { version_info: '1', resource_names: ['a', ''], type_url: 't', response_nonce: 'n' };
    expect(readSotwRequest(sotw.encode(request))).to.deep.equal({
      node: undefined,
      typeUrl: 't',
      nonce: 'n',
      error: undefined,
      names: ['a', ''],
    });
  });

  it('that are none are refused, and do nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const readEntry = (entry: Uint8Array): void => {
          readVersions({ bytes: entry, bounds: [0, entry.length] }, () => undefined);
        };
        for (const read of [readDeltaRequest, readSotwRequest, readEntry]) {
          try {
            read(bytes);
          } catch (thrown) {
            expect(thrown).to.be.instanceOf(RpcError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
