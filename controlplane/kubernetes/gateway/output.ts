/** Collects what is made for some proxies. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Selector } from '../../../gen/messages.ts';
import type { WireKind } from '../../../config/wire-kinds.ts';
import { shortHash } from '../../model/canonical.ts';
import { MAX_NAME_BYTES } from '../../model/keys.ts';
import { idOf } from '../../model/object.ts';
import type { Gateway } from '../api/gateway-kinds.ts';
import { GATEWAY_NAME_LABEL, PROXY_LABELS } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import { type OwnedContent, refOf } from '../api/reader.ts';
import { fullName } from '../api/order.ts';

export interface Output {
  /** Adds an object unless it is there, and gives its name: the prefix, and `parts` behind it. `only`: for which of the proxies. */
  add(
    kind: WireKind,
    owner: KubeObject,
    parts: readonly string[],
    spec: () => Record<string, Json>,
    only?: Selector,
  ): string;
  /** In the order that they were added in. */
  objects(): OwnedContent[];
  /** Ids of what was added for an owner. */
  idsOf(owner: KubeObject): string[];
  /** Ids of all. */
  ids(): string[];
}

/** `prefix`: what names begin with. */
export function createOutput(prefix: readonly string[], selector: Selector): Output {
  const found = new Map<string, OwnedContent>();
  const byOwner = new Map<KubeObject, string[]>();
  return {
    add(kind, owner, parts, spec, only = selector) {
      const name = bounded([...prefix, ...parts].join('/'));
      const key = { kind, name };
      const id = idOf(key);
      if (!found.has(id)) {
        found.set(id, { owner: refOf(owner), content: { key, selector: only, labels: {}, spec: spec() } });
        const ids = byOwner.get(owner);
        if (ids === undefined) byOwner.set(owner, [id]);
        else ids.push(id);
      }
      return name;
    },
    objects: () => [...found.values()],
    idsOf: (owner) => byOwner.get(owner) ?? [],
    ids: () => [...found.keys()],
  };
}

/** For the proxies of a Gateway: their pods' labels say whose they are. */
export function gatewayOutput(gateway: Gateway): Output {
  const { name, namespace = '' } = gateway.metadata;
  return createOutput(['gateway', fullName(gateway)], {
    match_labels: { [GATEWAY_NAME_LABEL]: name, [PROXY_LABELS.namespace]: namespace },
    match_expressions: [],
    match_ids: [],
  });
}

/** Names of Kubernetes, several in a row, may be longer than ours. */
function bounded(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const hash = shortHash(name);
  return `${name.slice(0, MAX_NAME_BYTES - hash.length - 1)}~${hash}`;
}
