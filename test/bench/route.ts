/** What contenders relay, and between which ports. */

export type Traffic = 'udp' | 'tcp' | 'http' | 'http2' | 'websocket';
/** What control planes do: serve configuration, by itself or what a cluster of Kubernetes has; and a page. */
export type Serving = 'xds' | 'kubernetes' | 'dashboard';
/** What contenders do: relay traffic, by itself or while they tell of it, have the kernel relay UDP or TCP, or serve configuration. */
export type Kind = Traffic | `telemetry-${'udp' | 'tcp' | 'http'}` | 'offload-udp' | 'offload-tcp' | Serving;

export function isServing(kind: Kind): kind is Serving {
  return kind === 'xds' || kind === 'kubernetes' || kind === 'dashboard';
}

export const PROXY_PORT = 5000;
export const SERVER_PORT = 6000;
/** Where telemetry goes. */
export const COLLECTOR_PORT = 4318;
