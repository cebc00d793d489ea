/** What the API server holds, from a list: for tests of translations. */
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import type { KubeKinds, KubeReader } from '../../controlplane/kubernetes/api/reader.ts';

/** Kinds without a namespace. */
const CLUSTER_WIDE = new Set(['GatewayClass', 'Namespace']);

export function kubeReader(objects: readonly KubeObject[]): KubeReader {
  const found = new Map(objects.map((object) => [keyOf(object), object]));
  return {
    get: <Kind extends keyof KubeKinds>(kind: Kind, namespace: string, name: string) =>
      found.get(`${kind} ${namespace}/${name}`) as KubeKinds[Kind] | undefined,
    list: <Kind extends keyof KubeKinds>(kind: Kind) =>
      [...found.values()].filter((object) => object.kind === kind) as unknown as KubeKinds[Kind][],
    has: () => true,
  };
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

/** The objects of a YAML file, as an API server would have them: with a namespace and a generation. */
export function readManifests(path: string, replace: (text: string) => string = (text) => text): KubeObject[] {
  return parseAllDocuments(replace(readFileSync(path, 'utf8')))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null)
    .map((object) => ({
      ...object,
      metadata: {
        generation: 1,
        ...(!CLUSTER_WIDE.has(object.kind) && { namespace: 'default' }),
        ...object.metadata,
      },
    }));
}
