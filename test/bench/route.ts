/** What contenders relay, and between which ports. */

export type Kind = 'udp' | 'tcp' | 'http' | 'http2' | 'websocket';

export const PROXY_PORT = 5000;
export const SERVER_PORT = 6000;
