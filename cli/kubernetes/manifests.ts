/** What `l7mp install` brings to a cluster: the rendered chart, with what the command line says in it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';

export interface InstallSettings {
  readonly namespace: string;
  /** The image of the control plane; that of this version when absent. */
  readonly image?: string | undefined;
  /** That of proxies. */
  readonly proxyImage?: string | undefined;
  readonly replicas?: number | undefined;
  /** As `--store` of `l7mp controlplane`; in the cluster when absent. */
  readonly store?: string | undefined;
  /** Whether there is a webhook for sidecars. */
  readonly injector: boolean;
}

/** With the fields that stand beside `spec`. */
export type Manifest = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/** Of the package, and of a checkout. */
const FILE = new URL('../../k8s/manifests/l7mp.yaml', import.meta.url);
const BUILT_FILE = new URL('../../../k8s/manifests/l7mp.yaml', import.meta.url);

/** What the rendered chart has in these places. */
const NAMESPACE = 'l7mp-system';
const IMAGE = /(?<=image: )l7mp\/controlplane:\S+/gu;
const PROXY_IMAGE = /(?<=image: )l7mp\/proxy:\S+/gu;
const STORE = /(?<=--store=)\S+/gu;

/** Labels of what `l7mp install` has made. */
export const INSTALLED = { 'app.kubernetes.io/name': 'l7mp', 'app.kubernetes.io/managed-by': 'l7mp-install' } as const;

/** All objects in the order in which they are applied, the namespace first. Values are checked before. */
export function readManifests(settings: InstallSettings): Manifest[] {
  const { namespace, image, proxyImage, replicas, store, injector } = settings;
  let text = read();
  // A store in the cluster is called after the namespace, too.
  text = text.replaceAll(new RegExp(`\\b${NAMESPACE}\\b`, 'gu'), namespace);
  if (store !== undefined) text = text.replace(STORE, () => store);
  if (image !== undefined) text = text.replace(IMAGE, () => image);
  if (proxyImage !== undefined) text = text.replace(PROXY_IMAGE, () => proxyImage);
  const objects = parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((each) => each !== null);
  const config = objects.find(({ kind }) => kind === 'ConfigMap')?.data;
  const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16);
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { ...INSTALLED } } },
    ...objects
      .filter(({ kind }) => injector || kind !== 'MutatingWebhookConfiguration')
      .filter(({ kind }) => kind !== 'PodDisruptionBudget' || (replicas ?? 2) > 1)
      .map((each) => (injector ? each : withoutWebhook(each)))
      .map((each) => (each.kind === 'Deployment' ? deploymentOf(each, settings, hash) : each)),
  ];
}

interface Rule {
  readonly resources: readonly string[];
}

interface Port {
  readonly name?: string;
  readonly port: string | number;
}

/** Nor may the control plane do, or be asked, what is the webhook's. */
function withoutWebhook(object: Manifest): Manifest {
  const { rules } = object as Manifest & { readonly rules?: readonly Rule[] };
  if (rules) {
    const others = rules.filter(({ resources }) => !resources.includes('mutatingwebhookconfigurations'));
    return { ...object, rules: others } as Manifest;
  }
  if (object.kind === 'Service') {
    const spec = object.spec as { readonly ports: readonly Port[] };
    return { ...object, spec: { ...spec, ports: spec.ports.filter(({ name }) => name !== 'webhook') } };
  }
  if (object.kind === 'NetworkPolicy') {
    const spec = object.spec as { readonly ingress: readonly { readonly ports: readonly Port[] }[] };
    const ingress = spec.ingress.filter(({ ports }) => !ports.some(({ port }) => port === 'webhook'));
    return { ...object, spec: { ...spec, ingress } };
  }
  return object;
}

interface DeploymentSpec {
  readonly replicas: number;
  readonly template: {
    readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
    readonly spec: {
      readonly containers: readonly {
        readonly args: readonly string[];
        readonly ports: readonly { readonly name: string }[];
      }[];
    };
  };
}

/** `hash`: of the configuration, which a pod reads when it starts. */
function deploymentOf(object: Manifest, { replicas, injector }: InstallSettings, hash: string): Manifest {
  const spec = object.spec as DeploymentSpec;
  const { metadata, spec: pod } = spec.template;
  const annotations = { ...metadata.annotations, 'l7mp.io/config-hash': hash };
  const containers = pod.containers.map((container) => ({
    ...container,
    args: container.args.filter((arg) => injector || !arg.startsWith('--webhook-listen')),
    ports: container.ports.filter(({ name }) => injector || name !== 'webhook'),
  }));
  const template = { ...spec.template, metadata: { ...metadata, annotations }, spec: { ...pod, containers } };
  return { ...object, spec: { ...spec, replicas: replicas ?? spec.replicas, template } };
}

function read(): string {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return readFileSync(BUILT_FILE, 'utf8');
  }
}
