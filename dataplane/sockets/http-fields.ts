/** Header fields of HTTP by their names and values alone: what all that speak it share. */

/** Methods of which the second request changes nothing more (RFC 9110, section 9.2.2). */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE']);

/** Whether a field is of one connection only (RFC 9110, section 7.6.1; RFC 9113, section 8.2.2), or named so by `Connection`. `key` is in lower case. */
export function isHopByHop(key: string, connection: string | undefined): boolean {
  switch (key) {
    case 'connection':
    case 'http2-settings':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
    case 'te':
      return true;
    default:
      return connection !== undefined && hasToken(connection, key);
  }
}

/** Whether a list field (`Connection`) has this member. */
export function hasToken(value: string | undefined, token: string): boolean {
  if (value === undefined) return false;
  if (value.length === token.length) return value.toLowerCase() === token;
  return value
    .toLowerCase()
    .split(',')
    .some((each) => trimSpace(each) === token);
}

/** Without the spaces and tabs around it: no other character is white space here (RFC 9110, section 5.6.3). */
export function trimSpace(value: string): string {
  let from = 0;
  let to = value.length;
  while (from < to && isSpace(value.charCodeAt(from))) from++;
  while (to > from && isSpace(value.charCodeAt(to - 1))) to--;
  return value.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9;
}
