/** Envoy's configuration as a plain relay. */
import type { Kind } from './route.ts';

const TYPE = 'type.googleapis.com';
const EXTENSIONS = `${TYPE}/envoy.extensions`;

function typed(name: string, type: string, fields: object): object {
  return { name, typed_config: { '@type': `${EXTENSIONS}.${type}`, ...fields } };
}

function networkFilter(kind: Kind): object {
  if (kind === 'tcp') {
    const fields = { stat_prefix: 'bench', cluster: 'server' };
    return typed('tcp', 'filters.network.tcp_proxy.v3.TcpProxy', fields);
  }
  const route = { match: { prefix: '/' }, route: { cluster: 'server', timeout: '0s' } };
  return typed('http', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'bench',
    codec_type: kind === 'http2' ? 'HTTP2' : 'HTTP1',
    generate_request_id: false,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [typed('router', 'filters.http.router.v3.Router', {})],
    ...(kind === 'websocket' && { upgrade_configs: [{ upgrade_type: 'websocket' }] }),
  });
}

function listener(kind: Kind, port: number): object {
  const address = {
    socket_address: { address: '0.0.0.0', port_value: port, protocol: kind === 'udp' ? 'UDP' : 'TCP' },
  };
  if (kind !== 'udp') {
    return { name: 'bench', address, tcp_backlog_size: 4096, filter_chains: [{ filters: [networkFilter(kind)] }] };
  }
  const route = typed('route', 'filters.udp.udp_proxy.v3.Route', { cluster: 'server' });
  const matcher = { on_no_match: { action: route } };
  return {
    name: 'bench',
    address,
    listener_filters: [typed('udp', 'filters.udp.udp_proxy.v3.UdpProxyConfig', { stat_prefix: 'bench', matcher })],
  };
}

/** A static bootstrap: one listener, one cluster with one endpoint, limits out of the way. */
export function envoyConfig(kind: Kind, port: number, serverAddress: string, serverPort: number): object {
  const endpoint = { address: { socket_address: { address: serverAddress, port_value: serverPort } } };
  const limits = { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 };
  const http2 = {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
  return {
    static_resources: {
      listeners: [listener(kind, port)],
      clusters: [
        {
          name: 'server',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [limits] },
          load_assignment: { cluster_name: 'server', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
          ...(kind === 'http2' && http2),
        },
      ],
    },
  };
}
