/** The incremental variant: what changed, each resource with its version. */
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '../../gen/messages.ts';
import type { Arrival } from './intake.ts';
import { notAskedFor, refusal, type StreamParts, type StreamProtocol } from './protocol.ts';
import type { ResourceKind } from './types.ts';

export class DeltaProtocol implements StreamProtocol {
  private readonly parts: StreamParts;
  /** What was asked for on this stream; undefined: all. */
  private readonly asked = new Map<ResourceKind, ReadonlySet<string> | undefined>();
  private isFirst = true;

  constructor(parts: StreamParts) {
    this.parts = parts;
  }

  subscribe(kind: ResourceKind, names: ReadonlySet<string> | undefined): void {
    const type_url = this.parts.codec.typeUrlOf(kind);
    if (!this.asked.has(kind)) {
      if (names?.size === 0) return; // a first request without names would ask for all
      this.asked.set(kind, names);
      this.send({
        type_url,
        resource_names_subscribe: [...(names ?? [])],
        initial_resource_versions: Object.fromEntries(this.parts.versionsOf(kind, names)),
      });
      return;
    }
    const before = this.asked.get(kind) ?? new Set();
    const subscribe = [...(names ?? [])].filter((name) => !before.has(name));
    const unsubscribe = [...before].filter((name) => names?.has(name) === false);
    if (subscribe.length + unsubscribe.length === 0) return;
    this.asked.set(kind, names);
    this.send({ type_url, resource_names_subscribe: subscribe, resource_names_unsubscribe: unsubscribe });
  }

  handle(response: DeltaDiscoveryResponse): void {
    const { codec, take, answered } = this.parts;
    const { type_url, nonce, resources, removed_resources: removed, system_version_info: version } = response;
    const kind = codec.kindOf(type_url);
    if (kind === undefined || !this.asked.has(kind)) {
      this.send({ type_url, response_nonce: nonce, error_detail: notAskedFor(type_url) });
      return;
    }
    const arrivals: Arrival[] = [];
    for (const { name, version: each, resource } of resources) {
      // Without a body it is a heartbeat: nothing has changed.
      if (resource) arrivals.push({ name, version: each, typeUrl: resource.type_url, value: resource.value });
    }
    const faults = take(kind, arrivals, { names: removed });
    this.send({ type_url, response_nonce: nonce, ...(faults.length > 0 && { error_detail: refusal(faults) }) });
    answered(kind, version, faults);
  }

  private send(request: Partial<DeltaDiscoveryRequest>): void {
    const { node, send } = this.parts;
    send(this.isFirst ? { ...request, node } : request);
    this.isFirst = false;
  }
}
