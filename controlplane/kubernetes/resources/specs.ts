/** Specs in custom resources: plain JSON, in the forms that only they have, as files would have it. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { schema } from '../../../gen/l7mp/config/v1/schema.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';

export type SpecName = 'ListenerSpec' | 'ClusterSpec';

/** `{UDP: {port: 5000}}` as `{protocol: UDP, port: 5000}`; what is neither is left for the decoder to find. */
export function flatSpec(name: SpecName, spec: Plain): Plain {
  const key = keyOf(name, spec);
  const settings = key === undefined ? spec : (spec[key] ?? {});
  if (!isJsonObject(settings)) return spec;
  const flat: Plain = key === undefined ? settings : { ...settings, protocol: key };
  const field = 'transport_spec' in flat ? 'transport_spec' : 'transport';
  const transport = flat[field];
  return isJsonObject(transport) ? { ...flat, [field]: flatSpec(name, transport) } : flat;
}

/** The protocol that a spec has as its one key. */
export function keyOf(name: SpecName, spec: Plain): string | undefined {
  const keys = Object.keys(spec);
  const [key = ''] = keys;
  return keys.length === 1 && protocolOf(name, key) !== undefined ? key : undefined;
}

/** A protocol as the schema writes it, by any of its names. */
export function protocolOf(name: SpecName, word: Json | undefined): string | undefined {
  return typeof word === 'string' ? PROTOCOLS[name].get(word.toLowerCase()) : undefined;
}

const PROTOCOLS: Readonly<Record<SpecName, ReadonlyMap<string, string>>> = {
  ListenerSpec: protocolsOf('ListenerSpec'),
  ClusterSpec: protocolsOf('ClusterSpec'),
};

function protocolsOf(name: SpecName): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(schema[name]?.variants ?? {}).flatMap(([protocol, { aliases = [] }]) =>
      [protocol, ...aliases].map((word): [string, string] => [word.toLowerCase(), protocol]),
    ),
  );
}

/** What a flat spec rides on in the end. */
export function transportOf(spec: Plain): Plain {
  const { transport_spec: transport = spec['transport'] } = spec;
  return isJsonObject(transport) ? transportOf(transport) : spec;
}

/** Whether endpoints of a protocol have a port. */
export function hasPort(protocol: string | undefined): boolean {
  const { message = '' } = schema['ClusterSpec']?.variants?.[protocol ?? ''] ?? {};
  return schema[message]?.fields?.['port'] !== undefined;
}

/** The number in a field where a string of digits may stand, too; 0 is none. */
export function portOf(value: Json | undefined): number | undefined {
  const port = typeof value === 'string' ? Number(value) : value;
  return typeof port === 'number' && port > 0 ? port : undefined;
}
