/** Which installation a cluster has already: there can be one, and who has made it looks after it. */
import { MANAGED_BY_LABEL } from '../../controlplane/kubernetes/api/names.ts';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { ApiError } from '../exit.ts';
import type { Cluster } from './cluster.ts';
import type { Manifest } from './manifests.ts';

/** Objects of the cluster that say where the control plane is, and one that is always there. */
const TELLING = ['ClusterRoleBinding', 'MutatingWebhookConfiguration', 'Deployment'];

/** What Helm writes on the objects of a release. */
const RELEASE = 'meta.helm.sh/release-name';
const RELEASE_NAMESPACE = 'meta.helm.sh/release-namespace';

/**
 * Nothing is done to another installation: it would lose its rights and its webhook without a word.
 *
 * @throws ApiError: a release of Helm is there, or an installation in another namespace
 */
export async function refuseOthers(cluster: Cluster, manifests: readonly Manifest[], namespace: string): Promise<void> {
  for (const each of manifests.filter(({ kind }) => TELLING.includes(kind))) {
    const found = await cluster.read(each);
    const other = found && otherIn(found, namespace);
    if (other !== undefined) {
      throw new ApiError(`expected no installation but that of l7mp install in namespace ${namespace}, found ${other}`);
    }
  }
}

function otherIn(object: KubeObject, namespace: string): string | undefined {
  const { labels = {}, annotations = {} } = object.metadata;
  const home = homeOf(object);
  if (labels[MANAGED_BY_LABEL] === 'Helm') {
    const { [RELEASE]: release = 'l7mp', [RELEASE_NAMESPACE]: where = home ?? namespace } = annotations;
    return `the release ${release} of Helm in namespace ${where}: helm upgrade and helm uninstall look after it`;
  }
  if (home === undefined || home === namespace) return undefined;
  return `one in namespace ${home}: name that by --namespace, or take it away by l7mp uninstall --namespace ${home}`;
}

interface Fields {
  readonly subjects?: readonly { readonly namespace?: string }[];
  readonly webhooks?: readonly { readonly clientConfig?: { readonly service?: { readonly namespace?: string } } }[];
}

/** The namespace of the control plane, as what is cluster-wide says it. */
function homeOf(object: KubeObject): string | undefined {
  const { subjects = [], webhooks = [] } = object as Fields;
  return subjects[0]?.namespace ?? webhooks[0]?.clientConfig?.service?.namespace;
}
