/** Definitions of kinds that take anything, for tests of what follows or uses kinds of others. */
import type { ResourceType } from '../../../controlplane/kubernetes/api/addressing.ts';
import type { KubeObject } from '../../../controlplane/kubernetes/api/object.ts';

/** A CustomResourceDefinition of a kind that takes anything, with a status. */
export function definition({ group, version, kind, plural, namespaced }: ResourceType): KubeObject {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      // Kubernetes' own groups are refused without it.
      annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' },
    },
    spec: {
      group,
      scope: namespaced ? 'Namespaced' : 'Cluster',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } },
        },
      ],
    },
  };
}
