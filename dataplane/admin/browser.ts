/** Keeps web pages out: a page can make its own name lead to a loopback address, and then ask what listens there. */
import { isLoopback } from '../../common/loopback.ts';
import type { Request } from '../core/protocol.ts';
import { HttpError } from './respond.ts';

/**
 * Without a token, who asks at a loopback address must mean one: the name that the page has reached it by stands in
 * Host, and the page's own in Origin. Programs that are no browsers send no Origin.
 *
 * @throws HttpError 403.
 */
export function refuseStrangers({ local, headers }: Request): void {
  if (local === undefined || !isLoopback(local)) return;
  const { host, origin } = headers;
  if (host !== undefined && !isLoopback(hostname(host))) {
    throw new HttpError(403, `expected a loopback address or localhost in Host, or a token; found "${host}"`);
  }
  if (origin !== undefined && origin.replace(/^https?:\/\//u, '') !== host) {
    throw new HttpError(403, `expected no Origin but this address, or a token; found "${origin}"`);
  }
}

/** Without the port and brackets. */
function hostname(host: string): string {
  return /^\[(.*)\](?::\d*)?$/u.exec(host)?.[1] ?? host.replace(/:\d*$/u, '');
}
