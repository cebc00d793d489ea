/** Where a redirect sends a client: the URL that it asked for, with what is changed. */
import type { Redirect } from '../../gen/l7mp/config/v1/types.ts';
import { jsonObject } from '../../common/json.ts';
import type { Answer } from '../core/answer.ts';
import type { Metadata } from '../core/session.ts';
import { joinTarget, percentEncode } from '../sockets/http-metadata.ts';
import { replacePrefix } from './path-prefix.ts';

const WELL_KNOWN: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443 };

/** Where the session did not begin with a request, there is no URL, and the answer is read by nobody. */
export function redirectAnswer(redirect: Redirect, metadata: Metadata): Answer {
  return { status: redirect.status, headers: ['location', locationOf(redirect, metadata)], body: '' };
}

function locationOf({ scheme, host, port, path, prefix }: Redirect, metadata: Metadata): string {
  const url = jsonObject(jsonObject(metadata['HTTP'])['url']);
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const newScheme = scheme ?? text(url['scheme']);
  const known = WELL_KNOWN[newScheme];
  // Another scheme is at a port of its own, unless the redirect says which.
  const asked = scheme === undefined && typeof url['port'] === 'number' ? url['port'] : known;
  const newPort = port || asked;
  const authority = `${bracketed(host ?? text(url['host']))}${newPort === known ? '' : `:${newPort}`}`;
  const asIs = text(url['path']);
  const newPath = path || (prefix ? replacePrefix(asIs, prefix) : asIs);
  const target = joinTarget(newPath, text(url['query'])).replace(/[^\x21-\x7e]/gu, percentEncode);
  return `${newScheme}://${authority}${target}`;
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
