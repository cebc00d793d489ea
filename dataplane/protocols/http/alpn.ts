/** What TLS offers (RFC 7301), by the configured version: the same on both sides. */
import type { HttpCluster, HttpListener } from '../../../gen/l7mp/config/v1/types.ts';

export const ALPN: Readonly<Record<(HttpCluster | HttpListener)['version'], readonly string[]>> = {
  auto: ['h2', 'http/1.1'],
  '1.1': ['http/1.1'],
  '2': ['h2'],
};
