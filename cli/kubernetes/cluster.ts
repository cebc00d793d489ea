/** A cluster as `l7mp install` and `uninstall` see it: calls to its API server, with the official client's kubeconfig. */
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
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
}

/** The field manager of what is installed. */
const MANAGER = 'l7mp-install';
/** How long the server may be silent, in ms. */
const TIMEOUT_MS = 30_000;

const APPLY = 'application/apply-patch+yaml'; // JSON is YAML

/** Nothing is sent yet. @throws ApiError where the kubeconfig leads nowhere */
export async function openCluster({ kubeconfig, context }: ClusterOptions): Promise<Cluster> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromString(readFileSync(kubeconfig, 'utf8'));
    if (context !== undefined) config.setCurrentContext(context);
    if (!config.getCurrentCluster()) {
      throw new Error(`expected a context with a cluster, found ${JSON.stringify(config.getCurrentContext())}`);
    }
  } catch (error) {
    throw new ApiError(`the kubeconfig: ${(error as Error).message}`);
  }
  const dry = (dryRun: boolean): Query => (dryRun ? { dryRun: 'All' } : {});
  return {
    read: async (object) => (await call(config, describe(object), 'GET', pathOf(object))) as KubeObject | undefined,
    apply: async (object, dryRun) => {
      const query = { fieldManager: MANAGER, force: 'true', ...dry(dryRun) };
      const applied = await call(config, describe(object), 'PATCH', pathOf(object), query, object);
      if (!applied) throw new ApiError(`${describe(object)}: the API server has no such kind or namespace`);
      return applied as KubeObject;
    },
    list: async ({ apiVersion, kind }, labelSelector, namespace) => {
      const found = await call(config, kind, 'GET', collectionOf({ apiVersion, kind }, namespace), { labelSelector });
      const { items = [] } = (found ?? {}) as { readonly items?: readonly Manifest[] };
      return items.map((item) => ({ ...item, apiVersion, kind }));
    },
    delete: async (object, dryRun) => {
      const query = { propagationPolicy: 'Background', ...dry(dryRun) };
      return (await call(config, describe(object), 'DELETE', pathOf(object), query)) !== undefined;
    },
  };
}

/** As kubectl has it: `deployment.apps/NAME`, `-n NAMESPACE` behind it. */
export function describe({ apiVersion, kind, metadata: { name, namespace } }: Named): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
  return `${kind.toLowerCase()}${group}/${name}${namespace === undefined ? '' : ` -n ${namespace}`}`;
}

/** All kinds that are installed or made are called by the rules of English. */
function collectionOf({ apiVersion, kind }: Kind, namespace: string | undefined): string {
  const singular = kind.toLowerCase();
  const plural = singular.endsWith('y')
    ? `${singular.slice(0, -1)}ies`
    : `${singular}${singular.endsWith('s') ? 'es' : 's'}`;
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}${scope}/${plural}`;
}

function pathOf({ metadata: { name, namespace }, ...kind }: Named): string {
  return `${collectionOf(kind, namespace)}/${name}`;
}

type Query = Readonly<Record<string, string>>;

/** The answer; undefined where there is no such object, or no such kind. @throws ApiError */
async function call(
  config: KubeConfig,
  what: string,
  method: 'GET' | 'PATCH' | 'DELETE',
  path: string,
  query: Query = {},
  body?: object,
): Promise<unknown> {
  try {
    const url = new URL(`${config.getCurrentCluster()?.server.replace(/\/$/u, '') ?? ''}${path}`);
    url.search = new URLSearchParams(query).toString();
    const access: RequestOptions = {};
    await config.applyToHTTPSOptions(access);
    const headers = {
      ...(access.headers as Readonly<Record<string, string>> | undefined),
      accept: 'application/json',
      'content-type': APPLY,
    };
    const { status, text } = await exchange(url, { ...access, method, headers }, body);
    if (status === 404) return undefined;
    if (status >= 200 && status < 300) return JSON.parse(text);
    throw new Error(messageIn(text) ?? `the API server answered with ${status}`);
  } catch (error) {
    throw new ApiError(`${what}: ${(error as Error).message}`);
  }
}

function exchange(url: URL, options: RequestOptions, body?: object): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...options, timeout: TIMEOUT_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (text += part));
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer after ${TIMEOUT_MS / 1000} s`)));
    asked.once('error', reject);
    asked.end(body && JSON.stringify(body));
  });
}

/** That of a Status. */
function messageIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { readonly message?: string }).message;
  } catch {
    return text.trim() || undefined;
  }
}
