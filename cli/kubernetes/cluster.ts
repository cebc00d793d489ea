/** A cluster as `l7mp install` and `uninstall` see it: any kind, by the official client. */
import { readFileSync } from 'node:fs';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { ApiError } from '../exit.ts';
import type { Manifest } from './manifests.ts';

export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export type Kind = Pick<Manifest, 'apiVersion' | 'kind'>;

/** The field manager of what is installed. */
const MANAGER = 'l7mp-install';

export interface Cluster {
  /** Undefined where it isn't there, nor its kind. @throws ApiError, as all of them */
  read(object: Kind & { readonly metadata: object }): Promise<KubeObject | undefined>;
  /** Server-side apply; with `dryRun` the server only checks. */
  apply(object: Manifest, dryRun: boolean): Promise<KubeObject>;
  /** Of all namespaces, by labels as in `a=b,c=d`; none where the server has no such kind. */
  list(kind: Kind, labels: string, namespace?: string): Promise<Manifest[]>;
  /** False: it was not there. */
  delete(object: Kind & { readonly metadata: object }, dryRun: boolean): Promise<boolean>;
}

/** Nothing is sent yet. @throws ApiError where the kubeconfig leads nowhere */
export async function openCluster({ kubeconfig, context }: ClusterOptions): Promise<Cluster> {
  const { KubeConfig, KubernetesObjectApi, PatchStrategy } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const api = refusing('the kubeconfig', () => {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromString(readFileSync(kubeconfig, 'utf8'));
    if (context !== undefined) config.setCurrentContext(context);
    if (!config.getCurrentCluster()) {
      throw new Error(`expected a context with a cluster, found ${JSON.stringify(config.getCurrentContext())}`);
    }
    return KubernetesObjectApi.makeApiClient(config);
  });
  const dry = (dryRun: boolean): string | undefined => (dryRun ? 'All' : undefined);
  return {
    read: (object) =>
      orAbsent(() => api.read(object as never) as Promise<unknown> as Promise<KubeObject>, describe(object)),
    apply: (object, dryRun) =>
      calling(
        describe(object),
        async () =>
          (await api.patch(
            object as object,
            undefined,
            dry(dryRun),
            MANAGER,
            true,
            PatchStrategy.ServerSideApply,
          )) as KubeObject,
      ),
    list: async ({ apiVersion, kind }, labels, namespace) => {
      const none = undefined;
      const listing = (): Promise<{ items: object[] }> =>
        api.list(apiVersion, kind, namespace, none, none, none, none, labels);
      const found = await orAbsent(listing, kind);
      return (found?.items ?? []).map((item) => ({ ...item, apiVersion, kind }) as Manifest);
    },
    delete: async (object, dryRun) => {
      const deleting = (): Promise<unknown> =>
        api.delete(object, undefined, dry(dryRun), undefined, undefined, 'Background');
      return (await orAbsent(deleting, describe(object))) !== undefined;
    },
  };
}

/** As kubectl has it: `deployment.apps/NAME`, `-n NAMESPACE` behind it. */
export function describe({ apiVersion, kind, metadata }: Kind & { readonly metadata: object }): string {
  const { name = '', namespace } = metadata as { readonly name?: string; readonly namespace?: string };
  const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
  return `${kind.toLowerCase()}${group}/${name}${namespace === undefined ? '' : ` -n ${namespace}`}`;
}

/** Of the library; it knows no kind that the server has not: that is an error of its own, in words. */
interface Failure extends Error {
  readonly code?: number | string;
  readonly body?: string | { readonly message?: string };
}

async function orAbsent<T>(call: () => Promise<T>, what: string): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    const { code, message } = error as Failure;
    if (code === 404 || message.startsWith('Unrecognized API version and kind')) return undefined;
    throw refused(what, error);
  }
}

async function calling<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw refused(what, error);
  }
}

function refusing<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw refused(what, error);
  }
}

function refused(what: string, error: unknown): ApiError {
  const { body, message, cause } = error as Failure;
  const told = typeof body === 'string' ? messageIn(body) : body?.message;
  // What fetch says of a server that isn't there stands in its cause.
  const why = told ?? (cause instanceof Error ? cause.message : message);
  return new ApiError(`${what}: ${why}`);
}

/** The message of a Status; the text itself where it is none. */
function messageIn(body: string): string {
  try {
    return (JSON.parse(body) as { readonly message?: string }).message ?? body;
  } catch {
    return body;
  }
}
