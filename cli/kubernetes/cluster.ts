/** A cluster as `l7mp install` and `uninstall` see it: objects by their manifests, and what is not there is no error. */
import type { ResourceType } from '../../controlplane/kubernetes/api/addressing.ts';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { isNotFound, KubeError, openClient } from '../../controlplane/kubernetes/runtime/index.ts';
import { ApiError } from '../exit.ts';
import type { Manifest } from './manifests.ts';

export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export type Kind = Pick<Manifest, 'apiVersion' | 'kind'>;
type Named = Kind & { readonly metadata: { readonly name: string; readonly namespace?: string | undefined } };

export interface Cluster {
  /** Undefined where it isn't there, nor its kind. @throws ApiError, as all of them */
  read(object: Named): Promise<KubeObject | undefined>;
  /** Server-side apply; with `dryRun` the server only checks. */
  apply(object: Manifest, dryRun: boolean): Promise<KubeObject>;
  /** Of all namespaces unless one is given, by labels as in `a=b,c=d`; none where the server has no such kind. */
  list(kind: Kind, labels: string, namespace?: string): Promise<Manifest[]>;
  /** False: it was not there. */
  delete(object: Named, dryRun: boolean): Promise<boolean>;
  close(): void;
}

/** The field manager of what is installed. */
const MANAGER = 'l7mp-install';

/** Nothing is sent yet. @throws ApiError where the kubeconfig leads nowhere */
export async function openCluster({ kubeconfig, context }: ClusterOptions): Promise<Cluster> {
  const options = { ...(kubeconfig !== undefined && { file: kubeconfig }), ...(context !== undefined && { context }) };
  const client = await told(openClient(options));
  return {
    read: (object) => found(client.get(typeOf(object), nameOf(object))),
    apply: (object, dryRun) =>
      told(client.apply(typeOf(object), object, { force: true, dryRun, fieldManager: MANAGER })),
    list: async ({ apiVersion, kind }, labelSelector, namespace = '') => {
      const page = await found(client.list(typeOf({ apiVersion, kind }), { namespace, labelSelector }));
      // Items of lists have neither.
      return (page?.items ?? []).map((item) => ({ ...item, apiVersion, kind }));
    },
    delete: async (object, dryRun) => {
      const deleted = client.delete(typeOf(object), nameOf(object), { dryRun }).then(() => true);
      return (await found(deleted)) ?? false;
    },
    close: () => client.close(),
  };
}

/** As kubectl has it: `deployment.apps/NAME`, `-n NAMESPACE` behind it. */
export function describe({ apiVersion, kind, metadata: { name, namespace } }: Named): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
  return `${kind.toLowerCase()}${group}/${name}${namespace === undefined ? '' : ` -n ${namespace}`}`;
}

/** All kinds that are installed or made are called by the rules of English; whether one is namespaced, its objects say. */
function typeOf({ apiVersion, kind }: Kind): ResourceType {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const singular = kind.toLowerCase();
  const plural = singular.endsWith('y')
    ? `${singular.slice(0, -1)}ies`
    : `${singular}${singular.endsWith('s') ? 'es' : 's'}`;
  return { group, version, kind, plural, namespaced: true };
}

function nameOf({ metadata: { name, namespace = '' } }: Named): { readonly namespace: string; readonly name: string } {
  return { namespace, name };
}

/** Undefined where there is no such object, or no such kind. @throws ApiError */
async function found<T>(answer: Promise<T>): Promise<T | undefined> {
  return await told(answer.catch((error: unknown) => (isNotFound(error) ? undefined : Promise.reject(error as Error))));
}

/** @throws ApiError */
async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof KubeError ? new ApiError(error.message) : error;
  }
}
