/** A control plane that follows a testbed, in a namespace of its own, with proxies and backends that are processes of this machine. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { GATEWAY_NAME_LABEL, PROXY_LABELS } from '../../../controlplane/kubernetes/api/names.ts';
import type { Condition, KubeObject } from '../../../controlplane/kubernetes/api/object.ts';
import { isNotFound, type KubeClient, openClient } from '../../../controlplane/kubernetes/runtime/index.ts';
import type { KindName } from '../../../controlplane/kubernetes/runtime/index.ts';
import { WATCHED_KINDS } from '../../../controlplane/kubernetes/watched-kinds.ts';
import { ControlPlaneProcess, type LoggingProcess } from '../control-plane-process.ts';
import { until } from '../until.ts';
import type { Kube } from './kube.ts';

/** The class of Gateways that the control plane is for. */
export const CLASS = 'l7mp';

/** What `status.conditions` and lists of statuses have of one condition. */
export type Told = Pick<Condition, 'status' | 'message' | 'reason'>;

interface AnyStatus {
  readonly conditions?: readonly Condition[];
  readonly parents?: readonly { readonly conditions?: readonly Condition[] }[];
  readonly ancestors?: readonly { readonly conditions?: readonly Condition[] }[];
}
export type AnyObject = KubeObject<unknown, AnyStatus>;

export interface KubeControlPlaneOptions {
  /** Whose rights it has; of one who may do everything when absent. */
  readonly kubeconfig?: string;
  /** Where it is installed; the tests' own namespace when absent. */
  readonly installedIn?: string;
  /** Further arguments of the command. */
  readonly args?: readonly string[];
}

export class KubeControlPlane {
  readonly kube: Kube;
  /** Of the objects of the tests. */
  readonly namespace: string;
  readonly client: KubeClient;
  readonly controlPlane: ControlPlaneProcess;
  private readonly replicas: ControlPlaneProcess[] = [];
  private readonly servers: Server[] = [];
  /** Of the command. */
  readonly args: readonly string[];

  private constructor(
    kube: Kube,
    namespace: string,
    client: KubeClient,
    controlPlane: ControlPlaneProcess,
    args: readonly string[],
  ) {
    this.kube = kube;
    this.namespace = namespace;
    this.client = client;
    this.controlPlane = controlPlane;
    this.args = args;
  }

  /** Pods of Gateways are asked for; where the testbed has no node, none come. */
  static async start(kube: Kube, options: KubeControlPlaneOptions = {}): Promise<KubeControlPlane> {
    const namespace = await kube.namespace();
    const { kubeconfig = kube.kubeconfig, installedIn = namespace, args = [] } = options;
    await kube.apply({
      ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name: CLASS } },
      spec: { controllerName: 'l7mp.io/gateway-controller' },
    });
    const defaults = join(kube.directory, 'gateway-defaults.yaml');
    writeFileSync(defaults, JSON.stringify({ image: 'l7mp/proxy', service: { type: 'ClusterIP' } }));
    const all = [
      ...['--kubernetes', '--kubeconfig', kubeconfig, '--namespace', installedIn],
      ...['--gateway-defaults', defaults, ...args],
    ];
    const client = await openClient({ file: kube.kubeconfig });
    try {
      return new KubeControlPlane(kube, namespace, client, await ControlPlaneProcess.start(...all), all);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Another one beside it: both need a store that they share. */
  async addReplica(): Promise<ControlPlaneProcess> {
    const replica = await ControlPlaneProcess.start(...this.args, '--id', `replica-${this.replicas.length + 1}`);
    this.replicas.push(replica);
    return replica;
  }

  /** A proxy of a Gateway, or one with other labels of its pod; it claims them. */
  proxy(name: string, labels: Readonly<Record<string, string>>, ...more: readonly string[]): LoggingProcess {
    const all = { ...labels, [PROXY_LABELS.namespace]: this.namespace };
    const text = Object.entries(all).map(([key, value]) => `${key}=${value}`);
    return this.controlPlane.startProxy(`${this.namespace}/${name}`, '--labels', text.join(), ...more);
  }

  proxyOf(gateway: string, name: string, ...more: readonly string[]): LoggingProcess {
    return this.proxy(name, { [GATEWAY_NAME_LABEL]: gateway }, ...more);
  }

  /** Applies an object in the tests' namespace. */
  apply(kind: KindName, name: string, fields: object, metadata: object = {}): Promise<AnyObject> {
    const type = typeOf(kind);
    const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
    const where = type.namespaced ? { namespace: this.namespace } : {};
    const object = { apiVersion, kind: type.kind, metadata: { ...metadata, name, ...where }, ...fields };
    return this.client.apply(type, object, { force: true });
  }

  async remove(kind: KindName, name: string): Promise<void> {
    await this.client.delete(typeOf(kind), { namespace: this.namespace, name });
  }

  /** Undefined: there is none. */
  async read(kind: KindName, name: string): Promise<AnyObject | undefined> {
    try {
      return await this.client.get<AnyObject>(typeOf(kind), { namespace: this.namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** A condition of an object, of its first parent or of its first ancestor, that tells of its present generation. */
  async condition(kind: KindName, name: string, type: string): Promise<Told | undefined> {
    const { metadata, status } = (await this.read(kind, name)) ?? {};
    const { conditions, parents = [], ancestors = [] } = status ?? {};
    const all = conditions ?? [...parents, ...ancestors][0]?.conditions;
    return all?.find((each) => each.type === type && each.observedGeneration === metadata?.generation);
  }

  /** Resolves when a condition is so; says what it is where it takes too long. */
  async untilTold(kind: KindName, name: string, type: string, wanted: Partial<Told>, limitMs?: number): Promise<Told> {
    let found: Told | undefined;
    try {
      return await until(
        `${kind} ${name} to have ${type} with ${JSON.stringify(wanted)}`,
        async () => {
          found = await this.condition(kind, name, type);
          const is = (key: keyof Told): boolean => wanted[key] === undefined || wanted[key] === found?.[key];
          return found && is('status') && is('message') && is('reason') ? found : undefined;
        },
        limitMs,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}, found ${JSON.stringify(found)}`, { cause: error });
    }
  }

  /** An HTTP server that says its name. Gives its port. */
  async server(name: string): Promise<number> {
    // No connection is left to the next test.
    const server = createServer((_request, response) => response.setHeader('connection', 'close').end(name));
    this.servers.push(server);
    server.listen(0);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** A Service with port 80, whose one endpoint is at a port of this machine. */
  async service(name: string, port: number): Promise<void> {
    await this.apply('Service', name, { spec: { ports: [{ name: 'http', port: 80 }] } });
    await this.endpoints(name, port);
  }

  /** The endpoint of a Service from now on. */
  async endpoints(service: string, port: number): Promise<void> {
    await this.apply(
      'EndpointSlice',
      service,
      {
        addressType: 'IPv4',
        endpoints: [{ addresses: [machineAddress()], conditions: { ready: true } }],
        ports: [{ name: 'http', port, protocol: 'TCP' }],
      },
      { labels: { 'kubernetes.io/service-name': service } },
    );
  }

  /** A Gateway with one listener of HTTP. */
  async gateway(name: string, port: number): Promise<void> {
    const listeners = [{ name: 'http', port, protocol: 'HTTP' }];
    await this.apply('Gateway', name, { spec: { gatewayClassName: CLASS, listeners } });
  }

  /** An HTTPRoute with one rule, for what begins with a path. */
  async route(name: string, gateway: string, path: string, service: string): Promise<void> {
    const matches = [{ path: { type: 'PathPrefix', value: path } }];
    const rules = [{ matches, backendRefs: [{ name: service, port: 80 }] }];
    await this.apply('HTTPRoute', name, { spec: { parentRefs: [{ name: gateway }], rules } });
  }

  async stop(): Promise<void> {
    for (const replica of this.replicas) await replica.stop();
    await this.controlPlane.stop();
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
    await this.client.delete(typeOf('Namespace'), { namespace: '', name: this.namespace });
    this.client.close();
  }
}

/** Endpoints of Services can't be at the loopback address. */
export function machineAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (!found) throw new Error('expected an IPv4 address of this machine that is not of loopback, found none');
  return found.address;
}

function typeOf(kind: KindName): NonNullable<ReturnType<typeof WATCHED_KINDS.get>>['type'] {
  const found = WATCHED_KINDS.get(kind);
  if (!found) throw new RangeError(`expected a kind that is watched, found ${kind}`);
  return found.type;
}
