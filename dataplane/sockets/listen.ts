/** Servers of Node.js begin to listen. */
import { once } from 'node:events';
import type { ListenOptions, Server } from 'node:net';
import { ProxyError } from '../../common/errors.ts';

/** Connections that may wait to be accepted; the system's net.core.somaxconn is a limit, too. */
const BACKLOG = 4096;

/** @throws ProxyError where the system refuses it. */
export async function listen(server: Server, where: ListenOptions): Promise<void> {
  try {
    server.listen({ ...where, backlog: where.backlog ?? BACKLOG });
    await once(server, 'listening');
  } catch (error) {
    throw ProxyError.from(error);
  }
}
