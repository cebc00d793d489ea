/** Our own kinds with the policies that are attached to them: as the control plane joins them. */
import type { KubeReader } from '../../controlplane/kubernetes/api/reader.ts';
import { translatePolicies } from '../../controlplane/kubernetes/policies/translate.ts';
import {
  type ResourcesOptions,
  type ResourcesTranslation,
  translateResources,
} from '../../controlplane/kubernetes/resources/translate.ts';

export function translateOwn(reader: KubeReader, options: ResourcesOptions = {}): ResourcesTranslation {
  const policies = translatePolicies(reader);
  const translation = translateResources(reader, { policies, ...options });
  return { ...translation, statuses: [...translation.statuses, ...policies.statuses] };
}
