/** `l7mp install`: brings the control plane to a cluster, or up to date there. */
import { isDeepStrictEqual } from 'node:util';
import { pause } from '../../common/signal.ts';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { ApiError, TimeoutError, UsageError } from '../exit.ts';
import { type Cluster, type ClusterOptions, describe, openCluster } from './cluster.ts';
import { refuseOthers } from './installed.ts';
import { type InstallSettings, type Manifest, readManifests } from './manifests.ts';

export interface InstallOptions extends ClusterOptions, InstallSettings {
  readonly output?: 'yaml' | 'json';
  readonly dryRun?: true;
  readonly wait?: true;
  /** In ms. */
  readonly timeout: number;
}

/** Between two looks, in ms. */
const POLL = 500;

export async function install(options: InstallOptions): Promise<void> {
  const faults = settingsFaults(options);
  if (faults.length > 0) throw new UsageError(...faults);
  const manifests = readManifests(options);
  if (options.output !== undefined) {
    process.stdout.write(await print(manifests, options.output));
    return;
  }
  const cluster = await openCluster(options);
  try {
    await bring(cluster, manifests, options);
  } finally {
    cluster.close();
  }
}

async function bring(cluster: Cluster, manifests: readonly Manifest[], options: InstallOptions): Promise<void> {
  await refuseOthers(cluster, manifests, options.namespace);
  const { dryRun = false } = options;
  const refused: string[] = [];
  let namespaceIsThere = false;
  for (const each of manifests) {
    try {
      const outcome = await applyOne(cluster, each, dryRun, namespaceIsThere);
      if (each.kind === 'Namespace') namespaceIsThere = outcome !== 'created' || !dryRun;
      console.log(`${describe(each)} ${outcome}${dryRun ? ' (dry run)' : ''}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Without its namespace, or a server, nothing else can be had.
      if (each.kind === 'Namespace') throw error;
      refused.push(error.message);
    }
  }
  if (refused.length > 0) throw new ApiError(refused.join('\nl7mp: '));
  if (options.wait && !dryRun) await available(cluster, manifests, options.timeout);
}

/** What the command line says that must not be: everything at once. */
function settingsFaults({ namespace, image, proxyImage, store, replicas = 2 }: InstallSettings): string[] {
  const faults: string[] = [];
  if (!isNamespace(namespace))
    faults.push(`--namespace: expected a name of a namespace, found ${JSON.stringify(namespace)}`);
  for (const [option, value] of Object.entries({ '--image': image, '--proxy-image': proxyImage })) {
    if (value === undefined || /^[\w.:/@-]+$/u.test(value)) continue;
    faults.push(`${option}: expected an image, as in registry.example/l7mp:1, found ${JSON.stringify(value)}`);
  }
  if (store !== undefined && !/^(?:kubernetes|etcd):\S+$/u.test(store)) {
    faults.push(
      `--store: expected kubernetes:NAMESPACE or etcd://HOST:PORT,…/PREFIX, which replicas share, found ${JSON.stringify(store)}`,
    );
  }
  if (replicas < 1) faults.push(`--replicas: expected at least 1, found ${replicas}`);
  return faults;
}

/** RFC 1123's label. */
export function isNamespace(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/u.test(text);
}

async function print(manifests: readonly Manifest[], format: 'yaml' | 'json'): Promise<string> {
  if (format === 'json') {
    return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }, null, 2)}\n`;
  }
  const { stringify } = await import('yaml');
  // kubectl reads YAML 1.1, to which `off` is a boolean.
  const options = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;
  return manifests.map((each) => stringify(each, options)).join('---\n');
}

async function applyOne(
  cluster: Cluster,
  object: Manifest,
  dryRun: boolean,
  namespaceIsThere: boolean,
): Promise<string> {
  const before = await cluster.read(object);
  if (object.kind === 'Namespace' && before) return 'unchanged'; // it may be somebody else's
  if (object.kind === 'GatewayClass' && !before && !(await cluster.read(gatewayDefinition))) {
    return 'left out: the cluster has no Gateway API; install again when it has';
  }
  if (dryRun && object.metadata.namespace !== undefined && !namespaceIsThere) {
    return 'created, not checked: its namespace is not there yet';
  }
  const after = await cluster.apply(object, dryRun);
  if (!before) return 'created';
  return isDeepStrictEqual(content(before), content(after)) ? 'unchanged' : 'configured';
}

/** The definition of GatewayClasses. */
const gatewayDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gatewayclasses.gateway.networking.k8s.io' },
};

/** Without what the server counts. */
function content({ metadata, ...others }: KubeObject): object {
  const { labels, annotations } = metadata;
  return JSON.parse(JSON.stringify({ ...others, labels, annotations, status: undefined })) as object;
}

/** @throws TimeoutError */
async function available(cluster: Cluster, manifests: readonly Manifest[], timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  for (const each of manifests.filter(({ kind }) => kind === 'Deployment')) {
    while (!isAvailable(await cluster.read(each))) {
      if (Date.now() > deadline) throw new TimeoutError(`${describe(each)} is not available after ${timeout / 1000} s`);
      await pause(POLL);
    }
    console.log(`${describe(each)} available`);
  }
}

interface DeploymentStatus {
  readonly observedGeneration?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
}

function isAvailable(object: KubeObject | undefined): boolean {
  if (!object) return false;
  const { replicas = 1 } = object.spec as { readonly replicas?: number };
  const {
    observedGeneration = 0,
    updatedReplicas = 0,
    availableReplicas = 0,
  } = (object.status ?? {}) as DeploymentStatus;
  const { generation = 1 } = object.metadata;
  return observedGeneration >= generation && updatedReplicas >= replicas && availableReplicas >= replicas;
}
