/** A whole proxy in the test's process. */
import { loadText } from '../../config/load.ts';
import type { Reloads } from '../../config/reloads.ts';
import type { Plugin } from '../../dataplane/core/protocol.ts';
import type { SessionView } from '../../dataplane/core/session.ts';
import { createProxy, type Proxy } from '../../dataplane/main.ts';
import type { ControlPlaneOptions } from '../../dataplane/xds/types.ts';

export interface TestProxy {
  readonly proxy: Proxy;
  /** The port of a listener, or of the REST API. */
  port(listener?: string): number;
  sessions(): SessionView[];
  close(): Promise<void>;
}

/** `config` is YAML text, or what it stands for. The REST API is off unless `api` is true: then its port is chosen. */
export async function startProxy(
  config: string | object,
  options: {
    readonly api?: boolean;
    readonly plugins?: readonly Plugin[];
    readonly reloads?: Reloads;
    readonly controlPlane?: Partial<ControlPlaneOptions>;
  } = {},
): Promise<TestProxy> {
  const snapshot = await loadText(typeof config === 'string' ? config : JSON.stringify(config));
  const admin = { ...snapshot.admin, api: { ...snapshot.admin.api, port: 0 } };
  const proxy = await createProxy({
    config: { ...snapshot, admin },
    logLevel: 'silent',
    api: options.api ?? false,
    ...(options.plugins && { plugins: options.plugins }),
    reloads: options.reloads,
    ...(options.controlPlane && { controlPlane: { ...CONTROL_PLANE, ...options.controlPlane } }),
  });
  return {
    proxy,
    port: (listener) => {
      const address = listener === undefined ? proxy.apiAddress : proxy.addressOf(listener);
      return Number(address?.slice(address.lastIndexOf(':') + 1));
    },
    sessions: () => [...proxy.sessions()],
    close: () => proxy.close(),
  };
}

const CONTROL_PLANE: ControlPlaneOptions = {
  servers: [],
  id: 'proxy-1',
  labels: { zone: 'a' },
  resources: 'all',
  plaintext: true,
  timing: { backoffBase: 20, backoffCap: 100, save: 10 },
};

/** A listener whose every session goes to one cluster. */
export function relay(listener: object, cluster: object, route: object = {}, more: object = {}): object {
  return {
    listeners: [
      { name: 'in', spec: listener, rules: [{ action: { route: { destination: 'out', ...route } } }], ...more },
    ],
    clusters: [{ name: 'out', ...cluster }],
  };
}
