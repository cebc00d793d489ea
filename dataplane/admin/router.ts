/** Which handler answers a request: by its method and path, names in it percent-encoded. */
import type { Request, Response } from '../core/protocol.ts';
import { HttpError } from '../../common/http-error.ts';

/** A request, taken apart. */
export interface Call {
  readonly request: Request;
  /** The parts of the path that stand for `{…}`, decoded. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
}

export type Handler = (call: Call) => Response | Promise<Response>;

/** A path with `{…}` where anything stands, and what answers each method. */
export interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

/** A path without its query; `HEAD` is `GET` whose body nobody sends. */
export interface Target {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Reads the request target: a path with a query, or a whole URL, as proxies ask. */
export function readTarget({ method, url }: Request): Target {
  const local = url.replace(/^https?:\/\/[^/?#]*/iu, '').replace(/#.*$/u, '');
  const at = local.indexOf('?');
  const path = at < 0 ? local : local.slice(0, at);
  return {
    method: method === 'HEAD' ? 'GET' : method,
    path: path.length > 1 ? path.replace(/\/$/u, '') : '/',
    query: new URLSearchParams(at < 0 ? '' : local.slice(at + 1)),
  };
}

/** Gives the handler of a target and the names in its path. @throws HttpError 404 in l7mp's words. */
export function createRouter(routes: readonly Route[]): (target: Target) => { handler: Handler; parameters: string[] } {
  const compiled = routes.map(({ path, methods }) => ({ pattern: path.split('/'), methods }));
  return ({ method, path }) => {
    const segments = path.split('/');
    const allowed = new Set<string>();
    for (const { pattern, methods } of compiled) {
      if (!fits(pattern, segments)) continue;
      const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (handler) return { handler, parameters: readParameters(pattern, segments) };
      for (const each of Object.keys(methods)) allowed.add(each);
    }
    throw new HttpError(404, 'Unknown API operation', { allow: [...allowed] });
  };
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((expected, index) => expected.startsWith('{') || expected === segments[index])
  );
}

function readParameters(pattern: readonly string[], segments: readonly string[]): string[] {
  return pattern.flatMap((expected, index) => {
    if (!expected.startsWith('{')) return [];
    const segment = segments[index] ?? '';
    try {
      return [decodeURIComponent(segment)];
    } catch {
      throw new HttpError(400, `expected a percent-encoded name, found ${segment}`);
    }
  });
}
