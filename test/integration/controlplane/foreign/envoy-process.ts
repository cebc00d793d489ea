/** A real Envoy that takes everything from a discovery service. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Closers } from '../../../support/grpc.ts';
import { getJson } from '../../../support/http-get.ts';
import { Peer } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

const BINARY = join('.cache', 'venv', 'bin', 'envoy');

const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

export class EnvoyProcess {
  private readonly admin: string;

  private constructor(admin: string) {
    this.admin = admin;
  }

  static async start(variant: 'delta' | 'sotw', port: number, cleanup: Closers): Promise<EnvoyProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-envoy-'));
    cleanup.add(() => rmSync(directory, { recursive: true }));
    const ads = { ads: {}, resource_api_version: 'V3' };
    const socket = (port_value: number): object => ({ socket_address: { address: '127.0.0.1', port_value } });
    const config = {
      node: { id: 'foreign', cluster: 'foreign' },
      admin: { address: socket(0) },
      dynamic_resources: {
        ads_config: {
          api_type: variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
        cds_config: ads,
        lds_config: ads,
      },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            typed_extension_protocol_options: {
              [PROTOCOL_OPTIONS]: {
                '@type': `type.googleapis.com/${PROTOCOL_OPTIONS}`,
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
            load_assignment: {
              cluster_name: 'xds',
              endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }],
            },
          },
        ],
      },
    };
    const file = join(directory, 'envoy.json');
    writeFileSync(file, JSON.stringify(config));
    const address = join(directory, 'admin');
    const quiet = ['--log-level', 'error', '--disable-hot-restart', '--concurrency', '1'];
    const peer = new Peer(BINARY, ['-c', file, '--admin-address-path', address, ...quiet]);
    cleanup.add(() => peer.stop());
    const admin = await until('the address of the administration', () => {
      try {
        return readFileSync(address, 'utf8') || undefined; // it is there before it is written
      } catch {
        return undefined;
      }
    });
    return new EnvoyProcess(admin);
  }

  /** The port of a listener, as soon as it has one. */
  port(listener: string): Promise<number> {
    return until(`the listener ${listener}`, async () => {
      const { listener_statuses: all = [] } = await getJson<Listeners>(`http://${this.admin}/listeners?format=json`);
      return all.find(({ name }) => name === listener)?.local_address.socket_address.port_value;
    });
  }
}
