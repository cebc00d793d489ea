/**
 * The state-of-the-world variant, for servers that have no other. Responses with listeners and clusters are complete:
 * what they do not hold is gone. Those with other types have what changed, or a part of it: they do not tell what is gone.
 */
import type { DiscoveryRequest, DiscoveryResponse, Resource } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { type Arrival, unreadable } from './intake.ts';
import { notAskedFor, refusal, type StreamParts, type StreamProtocol } from './protocol.ts';
import type { ResourceKind } from './types.ts';

const WRAPPER = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

/** Versions that were accepted last, by type: they outlive streams. */
export type AcceptedVersions = Map<ResourceKind, string>;

export class SotwProtocol implements StreamProtocol {
  private readonly parts: StreamParts;
  private readonly accepted: AcceptedVersions;
  private readonly asked = new Map<ResourceKind, ReadonlySet<string> | undefined>();
  private readonly nonces = new Map<ResourceKind, string>();
  private readonly wrapper = codecOf<Resource>('envoy.service.discovery.v3.Resource');
  private isFirst = true;

  constructor(parts: StreamParts, accepted: AcceptedVersions) {
    this.parts = parts;
    this.accepted = accepted;
  }

  subscribe(kind: ResourceKind, names: ReadonlySet<string> | undefined): void {
    const before = this.asked.get(kind);
    if (this.asked.has(kind)) {
      const same = names === undefined || (before?.size === names.size && [...names].every((name) => before.has(name)));
      if (same) return;
    } else if (names?.size === 0) return; // a first request without names would ask for all
    this.asked.set(kind, names);
    this.send(kind);
  }

  handle({ type_url, version_info, nonce, resources }: DiscoveryResponse): void {
    const { codec, take, answered } = this.parts;
    const kind = codec.kindOf(type_url);
    if (kind === undefined || !this.asked.has(kind)) {
      this.request({ type_url, response_nonce: nonce, error_detail: notAskedFor(type_url) });
      return;
    }
    this.nonces.set(kind, nonce);
    const arrivals = resources.map(({ type_url: typeUrl, value }) => this.arrival(typeUrl, value, version_info));
    const faults = take(kind, arrivals, FULL.has(kind) ? { others: true } : { names: [] });
    if (faults.length === 0) this.accepted.set(kind, version_info);
    this.send(kind, faults);
    answered(kind, version_info, faults);
  }

  private arrival(typeUrl: string, value: Buffer, version: string): Arrival {
    if (typeUrl !== WRAPPER) return { version, typeUrl, value };
    try {
      const { name, version: own, resource } = this.wrapper.decode(value);
      return { name, version: own || version, typeUrl: resource?.type_url ?? '', value: resource?.value ?? EMPTY };
    } catch (error) {
      return { unreadable: unreadable('Resource', error) };
    }
  }

  private send(kind: ResourceKind, faults: readonly string[] = []): void {
    this.request({
      type_url: this.parts.codec.typeUrlOf(kind),
      version_info: this.accepted.get(kind) ?? '',
      resource_names: [...(this.asked.get(kind) ?? [])],
      response_nonce: this.nonces.get(kind) ?? '',
      ...(faults.length > 0 && { error_detail: refusal(faults) }),
    });
  }

  private request(request: Partial<DiscoveryRequest>): void {
    const { node, send } = this.parts;
    send(this.isFirst ? { ...request, node } : request);
    this.isFirst = false;
  }
}

const EMPTY = Buffer.alloc(0);

/** Types of which each response has all that there are. */
const FULL: ReadonlySet<ResourceKind> = new Set(['Listener', 'Cluster']);
