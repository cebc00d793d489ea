/** The inventory of protocols: each is loaded when a configuration first names it. */
import type { AnyProtocol } from '../core/protocol.ts';

export const protocols: Readonly<Record<string, () => Promise<{ readonly protocol: AnyProtocol }>>> = {
  Discard: () => import('./discard/index.ts'),
  Echo: () => import('./echo/index.ts'),
  TCP: () => import('./tcp/index.ts'),
  UDP: () => import('./udp/index.ts'),
};
