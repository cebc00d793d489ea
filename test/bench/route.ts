/** What contenders relay, and between which ports. */

export type Traffic = 'udp' | 'tcp' | 'http' | 'http2' | 'websocket';
/** What contenders do: relay traffic, have the kernel relay UDP or TCP, or serve configuration. */
export type Kind = Traffic | 'offload-udp' | 'offload-tcp' | 'xds';

export const PROXY_PORT = 5000;
export const SERVER_PORT = 6000;
