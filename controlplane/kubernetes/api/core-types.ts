/** Kubernetes' own kinds as the API server addresses them. */
import { clusterWide, namespaced } from './addressing.ts';

export const SERVICE = namespaced('', 'v1', 'Service', 'services');
export const POD = namespaced('', 'v1', 'Pod', 'pods');
export const SECRET = namespaced('', 'v1', 'Secret', 'secrets');
export const CONFIG_MAP = namespaced('', 'v1', 'ConfigMap', 'configmaps');
export const SERVICE_ACCOUNT = namespaced('', 'v1', 'ServiceAccount', 'serviceaccounts');
export const NAMESPACE = clusterWide('', 'v1', 'Namespace', 'namespaces');
export const ENDPOINT_SLICE = namespaced('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices');
export const DEPLOYMENT = namespaced('apps', 'v1', 'Deployment', 'deployments');
export const DAEMON_SET = namespaced('apps', 'v1', 'DaemonSet', 'daemonsets');
export const DISRUPTION_BUDGET = namespaced('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets');
export const AUTOSCALER = namespaced('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers');
export const LEASE = namespaced('coordination.k8s.io', 'v1', 'Lease', 'leases');
export const TOKEN_REVIEW = clusterWide('authentication.k8s.io', 'v1', 'TokenReview', 'tokenreviews');
export const ACCESS_REVIEW = clusterWide('authorization.k8s.io', 'v1', 'SubjectAccessReview', 'subjectaccessreviews');
export const CLUSTER_ROLE = clusterWide('rbac.authorization.k8s.io', 'v1', 'ClusterRole', 'clusterroles');
export const DEFINITION = clusterWide(
  'apiextensions.k8s.io',
  'v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);
export const MUTATING_WEBHOOK = clusterWide(
  'admissionregistration.k8s.io',
  'v1',
  'MutatingWebhookConfiguration',
  'mutatingwebhookconfigurations',
);
