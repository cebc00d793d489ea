/** Resources of Envoy's types, encoded by the protos that gRPC's own client brings: for clients that are not ours. */
import { join } from 'node:path';
import protobuf from 'protobufjs';
import type { GivenResource } from './view-server.ts';

const PREFIX = 'type.googleapis.com/';
const PROTOS = join('node_modules', '@grpc', 'grpc-js-xds', 'deps');
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

export const ENVOY_TYPES = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  assignment: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
} as const;

let root: protobuf.Root | undefined;

function load(): protobuf.Root {
  if (root) return root;
  const made = new protobuf.Root();
  made.resolvePath = (_origin, target) => {
    if (protobuf.util.path.isAbsolute(target)) return target;
    const folder = { envoy: 'envoy-api', validate: 'protoc-gen-validate', udpa: 'xds', xds: 'xds' }[
      target.split('/')[0] ?? ''
    ];
    if (folder !== undefined) return join(PROTOS, folder, target);
    return target.startsWith('google/protobuf/')
      ? join('node_modules', 'protobufjs', target)
      : join(PROTOS, 'googleapis', target);
  };
  const files = [HCM, ROUTER].map((name) => {
    const path = name.split('.').slice(0, -1).join('/');
    return `${path}/${name === HCM ? 'http_connection_manager' : 'router'}.proto`;
  });
  const configuration = Object.entries({
    cluster: 'cluster',
    assignment: 'endpoint',
    listener: 'listener',
    route: 'route',
  });
  files.push(...configuration.map(([, folder]) => `envoy/config/${folder}/v3/${folder}.proto`));
  made.loadSync(files, { keepCase: true });
  root = made;
  return made;
}

function encode(type: string, value: object): Buffer {
  const message = load().lookupType(type);
  return Buffer.from(message.encode(message.fromObject(value)).finish());
}

const any = (type: string, value: object): object => ({ type_url: PREFIX + type, value: encode(type, value) });

function given(kind: keyof typeof ENVOY_TYPES, name: string, value: object): GivenResource {
  const type = ENVOY_TYPES[kind];
  return { type_url: PREFIX + type, name, value: encode(type, value).toString('base64') };
}

export const envoyTypeUrl = (kind: keyof typeof ENVOY_TYPES): string => PREFIX + ENVOY_TYPES[kind];

const ads = { ads: {}, resource_api_version: 'V3' };

/** A cluster whose endpoints are a resource of the same name. */
export function envoyCluster(name: string): GivenResource {
  const value = {
    name,
    type: 'EDS',
    connect_timeout: { seconds: 2 },
    eds_cluster_config: { eds_config: ads },
    lb_policy: 'ROUND_ROBIN',
  };
  const companion = { type_url: envoyTypeUrl('assignment'), name };
  return { ...given('cluster', name, value), companion };
}

export function envoyAssignment(name: string, ...ports: readonly number[]): GivenResource {
  const lb_endpoints = ports.map((port_value) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
  }));
  const endpoints = [{ locality: { region: 'here' }, load_balancing_weight: { value: 1 }, lb_endpoints }];
  return given('assignment', name, { cluster_name: name, endpoints });
}

export function envoyRoute(name: string, cluster: string): GivenResource {
  const routes = [{ match: { prefix: '' }, route: { cluster } }];
  return given('route', name, { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] });
}

const connectionManager = (route: string): object =>
  any(HCM, {
    stat_prefix: 'in',
    rds: { config_source: ads, route_config_name: route },
    http_filters: [{ name: 'router', typed_config: any(ROUTER, {}) }],
  });

/** What a gRPC client looks its target up by. */
export function apiListener(name: string, route: string): GivenResource {
  return given('listener', name, { name, api_listener: { api_listener: connectionManager(route) } });
}

/** A listener at a port of its own, which the system chooses. */
export function envoyListener(name: string, route: string): GivenResource {
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const filters = [{ name: 'http', typed_config: connectionManager(route) }];
  return given('listener', name, { name, address, filter_chains: [{ filters }] });
}

/** A listener that no proxy takes: it has no filters. */
export function badListener(name: string): GivenResource {
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  return given('listener', name, { name, address });
}
