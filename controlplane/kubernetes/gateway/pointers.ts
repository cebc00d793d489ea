/** Paths into the metadata of sessions (RFC 6901). */

/** A name as one token of a JSON pointer. */
export function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Where a field of the header of a request is. */
export function headerPath(name: string): string {
  return `/HTTP/headers/${pointerToken(name.toLowerCase())}`;
}
