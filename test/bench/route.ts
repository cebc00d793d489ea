/** What contenders relay, and between which ports. */

export type Traffic = 'udp' | 'tcp' | 'http' | 'http2' | 'websocket';
/** What contenders do: relay traffic (`offload`: UDP, in the kernel where they can), or serve configuration. */
export type Kind = Traffic | 'offload' | 'xds';

export const PROXY_PORT = 5000;
export const SERVER_PORT = 6000;
