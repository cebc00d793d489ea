/** Prefixes of paths in whole segments, as GEP-726 has them: `/foo` is one of `/foo`, `/foo/` and `/foo/bar`, not of `/foobar`. */
import type { PrefixReplacement } from '../../gen/l7mp/config/v1/types.ts';

/** `base` is without a slash at its end. */
export function hasPrefix(path: string, base: string): boolean {
  return path.startsWith(base) && (path.length === base.length || path[base.length] === '/');
}

/** The path with `to` in place of `from`, as the table at `PrefixReplacement` says; as it was, where it hasn't that prefix. */
export function replacePrefix(path: string, { from, to = '' }: PrefixReplacement): string {
  const base = withoutSlash(from);
  if (!hasPrefix(path, base)) return path;
  const rest = path.slice(base.length);
  const front = withoutSlash(to);
  const joined = `${front}${rest}`;
  return joined.startsWith('/') ? joined : `/${joined}`;
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
