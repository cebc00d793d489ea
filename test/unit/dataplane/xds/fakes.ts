/** What the parts of the xDS client work with, in memory. */
import { emptySnapshot } from '../../../../config/decode.ts';
import { createResourceCodec } from '../../../../dataplane/xds/resource-codec.ts';
import { Intake, type Sent } from '../../../../dataplane/xds/intake.ts';
import { Inventory } from '../../../../dataplane/xds/inventory.ts';
import type { StreamParts } from '../../../../dataplane/xds/protocol.ts';
import type { ResourceKind } from '../../../../dataplane/xds/types.ts';
import { schema } from '../../../../gen/l7mp/config/v1/schema.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../../gen/messages.ts';
import { MemorySink } from '../../../support/admin.ts';
import { any } from '../../../support/raw-control-plane.ts';

export const codec = createResourceCodec(schema);

/** Any field that a request of one of the variants has. */
type AnyRequest = Partial<DeltaDiscoveryRequest & DiscoveryRequest>;

export function createParts() {
  const sink = new MemorySink(emptySnapshot());
  const inventory = new Inventory();
  const intake = new Intake(inventory, codec, () => sink.snapshot);
  const requests: AnyRequest[] = [];
  const answers: [kind: ResourceKind, faults: readonly string[]][] = [];
  const parts: StreamParts = {
    codec,
    node: { id: 'n', cluster: '', user_agent_name: '', user_agent_version: '', client_features: [] },
    send: (request) => requests.push(request),
    take: (...given) => intake.take(...given),
    versionsOf: (kind) => new Map([...inventory.of(kind).values()].map(({ name, version }) => [name, version])),
    answered: (kind, _version, faults) => answers.push([kind, faults]),
  };
  return { sink, inventory, intake, parts, requests, answers };
}

export function arrival(kind: string, message: { readonly name?: string }, more: Partial<Sent> = {}): Sent {
  const { type_url: typeUrl, value } = any(kind, message);
  return { ...(message.name !== undefined && { name: message.name }), version: '1', typeUrl, value, ...more };
}

export const echo = (name: string) => ({ name, spec: { echo: {} } });
