/** Keeps web pages out: a page can make its own name lead to a loopback address, and then ask what listens there. */
import { isLoopback } from '../loopback.ts';

export interface Asked {
  /** The address that the request came in at; none where there is no such, as on a UNIX socket. */
  readonly local?: string | undefined;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/**
 * Where nobody shows who they are: who asks at a loopback address must mean one. The name that the page has reached it by
 * stands in Host, and the page's own in Origin. Programs that are no browsers send no Origin. Gives what is wrong.
 */
export function strangerFault({ local, headers: { host, origin } }: Asked): string | undefined {
  if (local === undefined || !isLoopback(local)) return undefined;
  if (host !== undefined && !isLoopback(hostname(host))) {
    return `expected a loopback address or localhost in Host, or a token; found "${host}"`;
  }
  if (origin !== undefined && !isSameOrigin(origin, host)) {
    return `expected no Origin but this address, or a token; found "${origin}"`;
  }
  return undefined;
}

/** Whether the origin of a page is the host that it asks. */
export function isSameOrigin(origin: string, host: string | undefined): boolean {
  return origin.replace(/^https?:\/\//u, '') === host;
}

/** Without the port and brackets. */
function hostname(host: string): string {
  return /^\[(.*)\](?::\d*)?$/u.exec(host)?.[1] ?? host.replace(/:\d*$/u, '');
}
