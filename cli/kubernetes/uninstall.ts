/** `l7mp uninstall`: takes from a cluster all that was installed, and what the control plane made there. */
import { createInterface } from 'node:readline/promises';
import { pause } from '../../common/signal.ts';
import { ApiError, TimeoutError, UsageError } from '../exit.ts';
import { type Cluster, type ClusterOptions, describe, type Kind, openCluster } from './cluster.ts';
import { isNamespace } from './install.ts';
import { refuseOthers } from './installed.ts';
import { INSTALLED, type Manifest, readManifests } from './manifests.ts';

export interface UninstallOptions extends ClusterOptions {
  readonly namespace: string;
  readonly keepCrds?: true;
  readonly yes?: true;
  readonly dryRun?: true;
  /** In ms. */
  readonly timeout: number;
}

/** Between two looks, in ms. */
const POLL = 500;

/** What the control plane makes anywhere, in the order in which it goes: what would make others comes before those. */
const MADE: readonly Kind[] = [
  { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'v1', kind: 'ServiceAccount' },
];
const MADE_BY = 'app.kubernetes.io/managed-by=l7mp';

/** What comes first: nobody shall ask a webhook that isn't there, nor a control plane make anew what is deleted. */
const FIRST = ['MutatingWebhookConfiguration', 'GatewayClass', 'PodDisruptionBudget', 'Deployment'];

const POD: Kind = { apiVersion: 'v1', kind: 'Pod' };
const LEASE: Kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };

export async function uninstall(options: UninstallOptions): Promise<void> {
  const { namespace } = options;
  if (!isNamespace(namespace)) {
    throw new UsageError(`--namespace: expected a name of a namespace, found ${JSON.stringify(namespace)}`);
  }
  const all = readManifests({ namespace, injector: true });
  const definitions = all.filter(isDefinition);
  const keepCrds = options.keepCrds ?? !(await confirmed(options, definitions));
  const cluster = await openCluster(options);
  try {
    await take(cluster, all, keepCrds ? [] : definitions, options);
  } finally {
    cluster.close();
  }
}

/** All but definitions, and those `definitions`. */
async function take(
  cluster: Cluster,
  all: readonly Manifest[],
  definitions: readonly Manifest[],
  options: UninstallOptions,
): Promise<void> {
  const { namespace, dryRun = false, timeout } = options;
  await refuseOthers(cluster, all, namespace);
  const others = all.filter((each) => !isDefinition(each) && each.kind !== 'Namespace');
  const first = FIRST.flatMap((kind) => others.filter((each) => each.kind === kind));
  const rest = others.filter((each) => !first.includes(each)).reverse();
  const run = new Removal(cluster, dryRun, Date.now() + timeout);
  await run.remove(first);
  await run.gone('pods of the control plane', () =>
    cluster.list(POD, 'app.kubernetes.io/name=l7mp,app.kubernetes.io/component=controlplane', namespace),
  );
  for (const kind of MADE) await run.remove(await cluster.list(kind, MADE_BY));
  await run.remove(rest);
  const leases = await cluster.list(LEASE, '', namespace);
  await run.remove(leases.filter(({ metadata }) => metadata.name.startsWith('l7mp')));
  await run.remove(definitions);
  await run.gone('definitions of custom resources', () => present(cluster, definitions));
  const [own] = all;
  const found = own && (await cluster.read(own));
  if (found && Object.entries(INSTALLED).every(([label, value]) => found.metadata.labels?.[label] === value)) {
    await run.remove([found]);
    await run.gone(`namespace ${namespace}`, () => present(cluster, [found]));
  }
  if (run.refused.length > 0) throw new ApiError(run.refused.join('\nl7mp: '));
  if (run.removed === 0) console.log(`nothing of l7mp is there, neither in namespace ${namespace} nor elsewhere`);
}

function isDefinition({ kind }: Manifest): boolean {
  return kind === 'CustomResourceDefinition';
}

/** Whether the definitions may go, and all objects with them. @throws UsageError where nobody is there to be asked */
async function confirmed({ yes, dryRun }: UninstallOptions, definitions: readonly Manifest[]): Promise<boolean> {
  if (yes || dryRun) return true;
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'expected --keep-crds or --yes, found neither and nobody to ask: with the custom resource definitions all their objects go',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const question = `Delete ${definitions.length} custom resource definitions with all their objects, too? [y/N] `;
  const answer = await terminal.question(question);
  terminal.close();
  return /^y(?:es)?$/iu.test(answer.trim());
}

async function present(cluster: Cluster, objects: readonly Manifest[]): Promise<unknown[]> {
  return (await Promise.all(objects.map((each) => cluster.read(each)))).filter((each) => each !== undefined);
}

/** Goes on after what is refused: the more is gone, the less is left to be done by hand. */
class Removal {
  readonly refused: string[] = [];
  /** How many objects went. */
  removed = 0;
  readonly #cluster: Cluster;
  readonly #dryRun: boolean;
  readonly #deadline: number;

  constructor(cluster: Cluster, dryRun: boolean, deadline: number) {
    this.#cluster = cluster;
    this.#dryRun = dryRun;
    this.#deadline = deadline;
  }

  async remove(objects: readonly Manifest[]): Promise<void> {
    for (const { apiVersion, kind, metadata } of objects) {
      const { name, namespace } = metadata;
      const object = { apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } };
      try {
        if (!(await this.#cluster.delete(object, this.#dryRun))) continue;
        this.removed += 1;
        console.log(`${describe(object)} deleted${this.#dryRun ? ' (dry run)' : ''}`);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.refused.push(error.message);
      }
    }
  }

  /** @throws TimeoutError */
  async gone(what: string, look: () => Promise<readonly unknown[]>): Promise<void> {
    if (this.#dryRun) return;
    for (let left; (left = (await look()).length) > 0; await pause(POLL)) {
      if (Date.now() > this.#deadline) throw new TimeoutError(`${what}: ${left} are still there`);
    }
  }
}
