/**
 * Whether custom resources are of the form that their types say. The API server sees to that by the definitions that it has, which may be
 * older or wider than ours.
 */
import type { Fault } from '../../../gen/messages.ts';
import { schema, specs } from '../../../gen/l7mp/kubernetes/v1/schema.ts';
import type { FieldSchema } from '../../../gen/schema-types.ts';
import { describe, isPlain } from '../../../config/scalars.ts';
import type { KubeObject } from './object.ts';
import type { KubeKinds, KubeReader } from './reader.ts';

// Objects never change.
const known = new WeakMap<KubeObject, readonly Fault[]>();

/** What is wrong with the form of a spec. */
export function formFaults(object: KubeObject): readonly Fault[] {
  let faults = known.get(object);
  if (faults === undefined) {
    const found: Fault[] = [];
    checkMessage(specs[object.kind] ?? '', object.spec, 'spec', found);
    known.set(object, (faults = found));
  }
  return faults;
}

/** The same, in which those of our kinds that are not of their form have no spec. */
export function soundReader(reader: KubeReader): KubeReader {
  const sound = <T extends KubeObject>(object: T): T => {
    if (specs[object.kind] === undefined || formFaults(object).length === 0) return object;
    const { apiVersion, kind, metadata } = object;
    return { apiVersion, kind, metadata } as T;
  };
  return {
    has: (kind) => reader.has(kind),
    get<Kind extends keyof KubeKinds>(kind: Kind, namespace: string, name: string) {
      const object = reader.get(kind, namespace, name);
      return object && sound(object);
    },
    *list<Kind extends keyof KubeKinds>(kind: Kind) {
      for (const object of reader.list(kind)) yield sound(object);
    },
  };
}

function checkMessage(name: string, value: unknown, path: string, faults: Fault[]): void {
  if (!isPlain(value)) {
    faults.push({ path, expected: 'an object', found: describe(value) });
    return;
  }
  // The configuration's own messages are the decoder's.
  for (const [field, facts] of Object.entries(schema[name]?.fields ?? {})) {
    const item = value[field];
    if (item !== undefined) checkField(facts, item, `${path}.${field}`, faults);
    else if (facts.required) faults.push({ path: `${path}.${field}`, expected: 'a value', found: 'nothing' });
  }
}

function checkField(field: FieldSchema, value: unknown, path: string, faults: Fault[]): void {
  if (field.map) {
    if (!isPlain(value)) faults.push({ path, expected: 'an object', found: describe(value) });
    else for (const [key, item] of Object.entries(value)) checkItem(field, item, `${path}.${key}`, faults);
  } else if (!field.repeated) {
    checkItem(field, value, path, faults);
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => checkItem(field, item, `${path}[${index}]`, faults));
  } else {
    faults.push({ path, expected: 'a list', found: describe(value) });
  }
}

function checkItem(
  { type, message = '', reference, values }: FieldSchema,
  value: unknown,
  path: string,
  faults: Fault[],
): void {
  if (reference !== undefined || type === 'json') return;
  if (type === 'message') {
    checkMessage(message, value, path, faults);
  } else if (type === 'string') {
    if (typeof value !== 'string') faults.push({ path, expected: 'a string', found: describe(value) });
    else if (values?.includes(value) === false) {
      faults.push({ path, expected: `one of ${values.join(', ')}`, found: describe(value) });
    }
  } else if (typeof value !== (type === 'boolean' ? 'boolean' : 'number')) {
    faults.push({ path, expected: type === 'boolean' ? 'true or false' : 'a number', found: describe(value) });
  }
}
