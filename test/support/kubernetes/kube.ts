/**
 * A testbed: real etcd, kube-apiserver and controller manager, and a node whose pods are processes where a test asks for it.
 * The kernel ends all of it with the process that started it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type KubeClient, openClient } from '../../../controlplane/kubernetes/runtime/index.ts';
import { type Result, runCommand } from '../command.ts';
import { type ApiAnswer, ApiServer } from './api-server.ts';
import { ControllerManager } from './controller-manager.ts';
import { Credentials } from './credentials.ts';
import { ownDirectory } from './directory.ts';
import { Network } from './network.ts';
import { type Images, Node } from './node.ts';
import { BIN } from './program.ts';

/** How long a command may take, in ms. */
const LIMIT = 120_000;

export interface KubeOptions {
  /** Whether the controller manager runs. Without it there are no service accounts, and namespaces never go. Default: true. */
  readonly hasControllers?: boolean;
  /** Whether pods run, which needs root. Default: false. */
  readonly hasNode?: boolean;
  /** Beside the project's own, those that conformance tests use, and `host`, whose containers run commands of this machine. */
  readonly images?: Images;
  /** Further flags of the API server, as in `--audit-log-path=…`. */
  readonly apiServerArgs?: readonly string[];
  /** Installs the CRDs of Gateway API of this channel. */
  readonly gatewayApi?: 'standard' | 'experimental';
}

/** The parts, in the order in which they start. */
interface Parts {
  network?: Network;
  apiServer?: ApiServer;
  manager?: ControllerManager;
  node?: Node;
}

export class Kube {
  readonly directory = ownDirectory();
  /** The kubeconfig of one who may do everything. */
  kubeconfig = '';
  private readonly parts: Parts = {};
  private credentials: Credentials | undefined;
  private namespaces = 0;

  static async start(options: KubeOptions = {}): Promise<Kube> {
    const kube = new Kube();
    try {
      await kube.start(options);
      return kube;
    } catch (error) {
      await kube.stop();
      throw error;
    }
  }

  private async start(options: KubeOptions): Promise<void> {
    const { directory, parts } = this;
    const network = options.hasNode === true ? await Network.create(directory) : undefined;
    if (network) parts.network = network;
    const host = network?.machine[0] ?? '127.0.0.1';
    const credentials = new Credentials(directory, network ? [host, network.service] : [host, '10.96.0.1']);
    this.credentials = credentials;
    const apiServer = await ApiServer.start(directory, credentials, {
      host,
      services: network?.services.join() ?? '10.96.0.0/16',
      isReachable: network !== undefined,
      args: [
        // Nothing makes service accounts then, and the plugin refuses pods that have none.
        ...(options.hasControllers === false ? ['--disable-admission-plugins=ServiceAccount'] : []),
        ...(options.apiServerArgs ?? []),
      ],
    });
    parts.apiServer = apiServer;
    this.kubeconfig = credentials.kubeconfig('admin', apiServer.url, credentials.token('admin'));
    if (options.hasControllers !== false)
      parts.manager = await ControllerManager.start(directory, apiServer, credentials);
    if (network) {
      const settings = { directory, network, credentials, images: options.images ?? {}, url: apiServer.url };
      parts.node = await Node.start({ ...settings, kubeconfig: this.kubeconfig });
      // The API server taints nodes as they come, and the controller that takes that back is not here: DaemonSets keep to it.
      await this.kubectl(['taint', 'nodes', '--all', 'node.kubernetes.io/not-ready:NoSchedule-']);
    }
    if (options.gatewayApi) await this.installCrds(join(BIN, 'gateway-api-crds', options.gatewayApi));
  }

  get apiServer(): ApiServer {
    return there(this.parts.apiServer, 'an API server');
  }

  get node(): Node {
    return there(this.parts.node, 'a node: start it with hasNode');
  }

  get network(): Network {
    return there(this.parts.network, 'a node: start it with hasNode');
  }

  /** As in `https://127.0.0.1:6443`. */
  get url(): string {
    return this.apiServer.url;
  }

  /** The file with the certificate of the API server's authority. */
  get authority(): string {
    return there(this.credentials, 'credentials').authority;
  }

  /** Asks the API server, as one who may do everything or with a token. */
  get(path: string, token?: string): Promise<ApiAnswer> {
    return this.apiServer.get(path, token);
  }

  /** Runs kubectl and gives what it prints; rejects with what it says where it fails. */
  async kubectl(args: readonly string[], input: string | object = ''): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  /** Runs kubectl, however it ends. `input`: text, or an object that becomes JSON. */
  tryKubectl(args: readonly string[], input: string | object = '', kubeconfig = this.kubeconfig): Promise<Result> {
    const text = typeof input === 'string' ? input : JSON.stringify(input);
    const env = { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(this.directory, 'cache') };
    return runCommand(join(BIN, 'kubectl'), args, text, env, LIMIT);
  }

  /** Applies objects, server-side, as kubectl does it. */
  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['apply', '--server-side', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: objects });
  }

  /** An object as the API server has it, as in `read('deployment', 'web', namespace)`. */
  async read<T extends object>(kind: string, name: string, namespace = 'default'): Promise<T> {
    return JSON.parse(await this.kubectl(['get', kind, name, '--namespace', namespace, '--output', 'json'])) as T;
  }

  /** Makes a namespace that no other test has, and gives its name. */
  async namespace(labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = `test-${++this.namespaces}`;
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    if (this.parts.manager) {
      // Pods are refused until it is there.
      await this.kubectl(['wait', '--for=create', 'serviceaccount/default', '--namespace', name, '--timeout=30s']);
    }
    return name;
  }

  /** Installs the CRDs of a folder or file, and waits until they are served. */
  async installCrds(path: string): Promise<void> {
    const names = await this.kubectl(['apply', '--server-side', '--output', 'name', '-f', path]);
    const crds = names.split('\n').filter((name) => name.startsWith('customresourcedefinition'));
    await this.kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...crds]);
  }

  /** A client of the control plane's own, as one who may do everything or with a kubeconfig; whoever asks closes it. */
  client(kubeconfig = this.kubeconfig): Promise<KubeClient> {
    return openClient({ file: kubeconfig });
  }

  /** A kubeconfig of one who may do everything, through another port of the machine: where something stands in between. */
  kubeconfigThrough(port: number): string {
    const credentials = there(this.credentials, 'credentials');
    const { hostname } = new URL(this.url);
    return credentials.kubeconfig(`through-${port}`, `https://${hostname}:${port}`, credentials.token('admin'));
  }

  /** A kubeconfig of a user who may do nothing, but what RBAC says of `user`. */
  kubeconfigOfUser(): string {
    const credentials = there(this.credentials, 'credentials');
    return credentials.kubeconfig('user', this.url, credentials.token('user'));
  }

  /** A kubeconfig of a service account, by a token that lasts an hour: it may do what RBAC says. */
  async kubeconfigOf(serviceAccount: string, namespace: string): Promise<string> {
    const token = await this.tokenOf(serviceAccount, namespace);
    return there(this.credentials, 'credentials').kubeconfig(`${namespace}-${serviceAccount}`, this.url, token);
  }

  /** A token of a service account, for the API server or another audience. */
  async tokenOf(serviceAccount: string, namespace: string, audience?: string): Promise<string> {
    const more = audience === undefined ? [] : ['--audience', audience];
    const text = await this.kubectl(['create', 'token', serviceAccount, '--namespace', namespace, ...more]);
    return text.trim();
  }

  /** Ends everything and removes its files. */
  async stop(): Promise<void> {
    const { network, apiServer, manager, node } = this.parts;
    await node?.stop();
    await manager?.stop();
    await apiServer?.stop();
    await network?.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function there<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`expected a testbed with ${what}`);
  return part;
}
