/** Session persistence of a rule (GEP-1619), as routes of the proxy have it. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { parseDuration } from '../api/durations.ts';
import type { GRPCRouteRule, HTTPRouteRule } from '../api/gateway-kinds.ts';

export interface ReadPersistence {
  readonly value?: Json;
  /** What can't be done. */
  readonly faults: readonly string[];
}

const NONE: ReadPersistence = { faults: [] };

/** The name of a cookie (RFC 6265, section 4.1.1) or a header field. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/u;

export function readPersistence({ sessionPersistence, matches }: HTTPRouteRule | GRPCRouteRule): ReadPersistence {
  if (sessionPersistence === undefined) return NONE;
  const { sessionName: name, absoluteTimeout, type = 'Cookie', cookieConfig } = sessionPersistence;
  const { lifetimeType = 'Session' } = cookieConfig ?? {};
  const faults: string[] = [];
  const expect = (holds: boolean, field: string, expected: string, found: string): void => {
    if (!holds) faults.push(`sessionPersistence.${field}: expected ${expected}, found ${found}`);
  };
  const age = absoluteTimeout === undefined ? 0 : parseDuration(absoluteTimeout);
  expect(age !== undefined, 'absoluteTimeout', 'a duration, as in 1h30m', JSON.stringify(absoluteTimeout));
  expect(name === undefined || TOKEN.test(name), 'sessionName', 'the name of a cookie or header field', String(name));
  expect(['Cookie', 'Header'].includes(type), 'type', 'Cookie or Header', type);
  expect(
    ['Session', 'Permanent'].includes(lifetimeType),
    'cookieConfig.lifetimeType',
    'Session or Permanent',
    lifetimeType,
  );
  expect(type !== 'Header' || cookieConfig === undefined, 'cookieConfig', 'nothing with type Header', lifetimeType);
  expect(lifetimeType !== 'Permanent' || age !== 0, 'absoluteTimeout', 'one, as the cookie is permanent', 'none');
  if (faults.length > 0) return { faults };
  return {
    faults,
    value: {
      type: type.toLowerCase(),
      lifetime: lifetimeType.toLowerCase(),
      path: cookiePath(matches),
      ...(name !== undefined && { name }),
      ...(age !== undefined && age > 0 && { absolute_timeout: Math.ceil(age / 1000) }),
    },
  };
}

/** The path that all that matches is below, in whole segments: `/` where nobody knows. */
function cookiePath(matches: HTTPRouteRule['matches'] | GRPCRouteRule['matches']): string {
  const paths = (matches ?? []).map((match): readonly string[] => {
    const { type = 'PathPrefix', value = '/' } = ('path' in match && match.path) || {};
    return type === 'RegularExpression' || /[^\x20-\x3a\x3c-\x7e]/u.test(value) ? [] : value.split('/').slice(1);
  });
  const [first = []] = paths;
  const differs = first.findIndex((segment, index) => paths.some((path) => path[index] !== segment));
  const common = differs < 0 ? first : first.slice(0, differs);
  return `/${common.join('/')}`.replace(/(?<=.)\/$/u, '');
}
