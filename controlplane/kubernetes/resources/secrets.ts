/** `secret:NAME` in TLS settings: a Secret of Kubernetes, with `tls.crt`, `tls.key` and `ca.crt`. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { secretName as nameIn } from '../../../common/secrets.ts';
import { GROUP, secretName } from '../api/names.ts';
import type { Secret } from '../api/core-kinds.ts';
import type { Place } from './context.ts';
import { addPart, given, nameWithin } from './making.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { verdict } from './reasons.ts';
import { parseReference } from './references.ts';
import { refused } from './selectors.ts';

const FIELDS = ['cert', 'key', 'ca'] as const;

/** A flat spec whose TLS settings name what proxies get for the Secrets. */
export function withSecrets(place: Place, spec: Plain, path: string): Plain {
  const { tls } = spec;
  const field = 'transport_spec' in spec ? 'transport_spec' : 'transport';
  const transport = spec[field];
  return {
    ...spec,
    ...(isJsonObject(transport) && { [field]: withSecrets(place, transport, `${path}.${field}`) }),
    ...(isJsonObject(tls) && { tls: inTls(place, tls, `${path}.tls`) }),
  };
}

function inTls(place: Place, tls: Plain, path: string): Plain {
  const { certificates } = tls;
  const named = FIELDS.flatMap((field) => {
    const value = tls[field];
    const name = typeof value === 'string' ? nameIn(value) : undefined;
    return name === undefined ? [] : [[field, resolve(place, name, `${path}.${field}`)] as const];
  });
  const list = Array.isArray(certificates)
    ? certificates.map((each, index) =>
        isJsonObject(each) ? inTls(place, each, `${path}.certificates[${index}]`) : each,
      )
    : certificates;
  return { ...tls, ...Object.fromEntries(named), ...(list !== undefined && { certificates: list }) };
}

/** Each object has its own copy of a key: it goes to the proxies of that object, and to no others. */
function resolve({ context, making, uses }: Place, text: string, path: string): Json {
  const { reader, grants } = context;
  const { kind } = making.object;
  const reference = parseReference(text, making.home);
  if (reference === undefined || reference.port !== undefined) {
    making.faults.push(verdict('Invalid', `${path}: expected the name of a Secret, found "${text}"`));
    return `secret:${text}`;
  }
  const { namespace, name } = reference;
  const made = nameWithin(making.object, secretName(namespace, name));
  const id = `Secret/${made}`;
  uses.add(id);
  if (making.parts.some((part) => part.id === id)) return `secret:${made}`;
  const from = { group: GROUP, kind, namespace: making.home };
  if (!grants(from, { group: '', kind: 'Secret', namespace, name })) {
    making.faults.push(refused(reader, `${path}: Secret ${text}`, namespace, from));
    return `secret:${made}`;
  }
  const secret = reader.get('Secret', namespace, name);
  if (secret === undefined) {
    making.faults.push(verdict('RefNotFound', `${path}: there is no Secret ${namespace}/${name}`));
  } else {
    const where = (field: string): string => `${path}: Secret ${namespace}/${name}${field && ` (${field})`}`;
    addPart(making, 'Secret', made, specOf(secret), new Set(), where);
  }
  return `secret:${made}`;
}

function specOf({ data = {} }: Secret): Plain {
  const text = (key: string): string | undefined => {
    const value = data[key];
    return value === undefined || value === '' ? undefined : Buffer.from(value, 'base64').toString();
  };
  return given({ cert: text('tls.crt'), key: text('tls.key'), ca: text('ca.crt') });
}
