/** The node of a testbed: cluster DNS, real kube-proxy, and a kubelet whose pods are processes (test/gobin/kubernetes). */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeCertificate } from '../certificates.ts';
import type { Credentials } from './credentials.ts';
import type { Network } from './network.ts';
import { BIN, Program } from './program.ts';

/** What stands for an image. */
export interface Image {
  /** Its entry point; empty: containers have commands of their own, of this machine. */
  readonly command: readonly string[];
  /** The arguments of containers that have none of their own. Default: none. */
  readonly args?: readonly string[];
  /** The number of the user. Default: root. */
  readonly user?: number;
  /** Its own files by path: where they are on this machine. */
  readonly files?: Readonly<Record<string, string>>;
}

/** By name without registry and tag. The project's own are what `npm run build` made. */
export type Images = Readonly<Record<string, Image>>;

const ECHO_ADVANCED = 'gateway-api/echo-advanced';
const L7MP = { command: [resolve('bin/l7mp')], user: 65_532 };
const IMAGES: Images = {
  'l7mp/controlplane': { ...L7MP, args: ['controlplane'] },
  'l7mp/proxy': { ...L7MP, args: ['proxy'] },
  'gateway-api/echo-basic': { command: [join(BIN, 'echo-basic')] },
  'coredns/coredns': { command: [join(BIN, 'dnsstub'), 'whoami'] },
  host: { command: [] },
};

/** The image of mesh tests: a server and the command `client`, with a certificate of its own. */
function echoAdvanced(directory: string): Image {
  const { cert, key } = makeCertificate(directory, 'echo', 'DNS:echo');
  return { command: [join(BIN, 'echo-advanced/server')], files: { '/cert.crt': cert, '/cert.key': key } };
}

export interface NodeSettings {
  readonly directory: string;
  readonly network: Network;
  readonly credentials: Credentials;
  readonly images: Images;
  /** Of the API server. */
  readonly url: string;
  /** Of one who may do everything. */
  readonly kubeconfig: string;
}

export class Node {
  /** In its network: see `Network`. */
  private readonly programs: Program[] = [];
  private readonly pods: string;

  private constructor(pods: string) {
    this.pods = pods;
  }

  static async start(settings: NodeSettings): Promise<Node> {
    const node = new Node(join(settings.directory, 'pods'));
    try {
      await node.start(settings);
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  private async start({ directory, network, credentials, images, url, kubeconfig }: NodeSettings): Promise<void> {
    const start = (name: string, args: readonly string[]): Program => {
      const program = new Program(directory, join(BIN, name), args, network.runner);
      this.programs.push(program);
      return program;
    };
    const name = 'node';
    const [dns] = network.node;
    const file = join(directory, 'images.json');
    writeFileSync(file, JSON.stringify({ ...IMAGES, [ECHO_ADVANCED]: echoAdvanced(directory), ...images }));
    mkdirSync(join(this.pods, 'logs'), { recursive: true });
    const kubelet = start('prockubelet', [
      ...['-kubeconfig', kubeconfig, '-node', name, '-directory', this.pods, '-images', file],
      ...['-addresses', `${network.node[0]}/32,${network.node[1]}/128`, '-pods', network.pods.join()],
      ...['-load-balancers', network.loadBalancers.join(), '-dns', dns, '-service', `${network.service}:443`],
    ]);
    const names = start('dnsstub', ['cluster', '-kubeconfig', kubeconfig, '-address', `${dns}:53`]);
    const config = join(directory, 'kube-proxy.json');
    writeFileSync(
      config,
      JSON.stringify(proxyConfig(name, network, credentials.kubeconfig('proxy', url, credentials.token('proxy')))),
    );
    const proxy = start('kube-proxy', ['--config', config]);
    await kubelet.untilLogged(/^ready$/mu);
    await names.untilLogged(/^ready$/mu);
    await proxy.untilLogged(/Caches are synced/u);
  }

  /** Copies the logs of all containers there ever were, and of the node's own parts: NAMESPACE_POD_CONTAINER.RESTARTS.log. */
  keepLogs(directory: string): void {
    mkdirSync(directory, { recursive: true });
    const logs = join(this.pods, 'logs');
    for (const name of readdirSync(logs)) copyFileSync(join(logs, name), join(directory, name));
    for (const { name, log } of this.programs) copyFileSync(log, join(directory, `${name}.log`));
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop()));
  }
}

/** KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1. */
function proxyConfig(node: string, network: Network, kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig },
    hostnameOverride: node,
    mode: 'nftables',
    clusterCIDR: network.pods.join(),
    detectLocalMode: 'ClusterCIDR',
    nftables: { minSyncPeriod: '100ms', syncPeriod: '30s' },
    // What belongs to the whole machine is left alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
  };
}
