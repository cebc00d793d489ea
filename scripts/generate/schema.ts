/** Reads the configuration's proto files into the plain table that all generated files are made from. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';
import { longestTimer } from '../../common/timer.ts';
import type { FieldSchema, MessageSchema, Schema } from '../../gen/schema-types.ts';

const { Enum, MapField, Root, Type } = protobuf;
type Rules = Record<string, unknown>;

const SCALARS: Record<string, FieldSchema['type']> = {
  string: 'string',
  bool: 'boolean',
  uint32: 'integer',
  int32: 'integer',
  int64: 'integer',
  double: 'number',
};

/** A message with the comments of its fields: what documentation needs beside the schema. */
export interface DocumentedMessage {
  readonly name: string;
  readonly file: string;
  readonly comment: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Source {
  readonly schema: Schema;
  readonly messages: readonly DocumentedMessage[];
}

/** @throws Error where a proto file uses a construct that the configuration has no word for. */
export function readSource(root: string, packageDirectory = 'l7mp/config/v1'): Source {
  const protos = loadProtos(root);
  const directory = join(root, packageDirectory);
  const namespace = protos.lookup(packageDirectory.replaceAll('/', '.'));
  if (!(namespace instanceof protobuf.Namespace)) throw new Error(`no package in ${directory}`);

  const schema: Record<string, MessageSchema> = {};
  const messages: DocumentedMessage[] = [];
  for (const type of namespace.nestedArray) {
    if (!(type instanceof Type) || type.filename?.endsWith('/options.proto')) continue;
    const oneof = type.oneofsArray.find((one) => one.name === 'protocol');
    if (oneof) {
      schema[type.name] = { variants: Object.fromEntries(oneof.fieldsArray.map(toVariant)) };
    } else {
      schema[type.name] = { fields: Object.fromEntries(type.fieldsArray.map((field) => [field.name, toField(field)])) };
    }
    messages.push({
      name: type.name,
      file: (type.filename ?? '').slice((type.filename ?? '').lastIndexOf('/') + 1),
      comment: type.comment ?? '',
      fields: Object.fromEntries(type.fieldsArray.map((field) => [field.name, field.comment ?? ''])),
    });
  }
  return { schema, messages };
}

/** Every proto file below `root`. */
export function loadProtos(root: string): protobuf.Root {
  const protos = new Root();
  const bundled = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
  protos.resolvePath = (_origin, target) => join(files.includes(target) ? root : bundled, target);
  protos.loadSync(files.sort(), { keepCase: true, alternateCommentMode: true });
  protos.resolveAll();
  return protos;
}

function rulesOf(field: protobuf.Field): Rules {
  return optionOf(field, 'field');
}

/** What one of our options says, in whichever package it is. */
export function optionOf({ parsedOptions }: protobuf.ReflectionObject, name: string): Rules {
  const merged: Record<string, unknown> = {};
  for (const option of (parsedOptions ?? []) as Rules[]) {
    for (const [key, value] of Object.entries(option)) {
      if (key === `(${name})` || key.endsWith(`.${name})`)) Object.assign(merged, value);
    }
  }
  return merged;
}

function list(value: unknown): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]) as string[];
}

function toVariant(field: protobuf.Field): [string, { message: string; field: string; aliases?: string[] }] {
  const rules = rulesOf(field);
  const aliases = list(rules['protocol_alias']);
  const { type: message, name } = field;
  return [String(rules['protocol']), { message, field: name, ...(aliases.length > 0 ? { aliases } : {}) }];
}

function toField(field: protobuf.Field): FieldSchema {
  const rules = rulesOf(field);
  const resolved = field.resolvedType;
  if (resolved instanceof Enum) throw new Error(`${field.fullName}: use a string with a set of values, not an enum`);
  const type = field.type === 'google.protobuf.Value' ? 'json' : (SCALARS[field.type] ?? 'message');
  const out: Record<string, unknown> = { type };
  if (type === 'message') out['message'] = field.type.slice(field.type.lastIndexOf('.') + 1);
  if (field instanceof MapField) out['map'] = true;
  if (field.repeated) out['repeated'] = true;
  if (field.options?.['proto3_optional'] === true) out['optional'] = true;
  for (const key of [
    'required',
    'assigned',
    'min',
    'max',
    'unit',
    'format',
    'reference',
    'infix',
    'shorthand',
  ] as const) {
    if (rules[key] !== undefined) out[key] = rules[key];
  }
  const longest = longestTimer(rules['unit']);
  if (longest !== undefined) out['max'] ??= longest;
  if (rules['default'] !== undefined) out['default'] = JSON.parse(rules['default'] as string) as unknown;
  if (rules['alias'] !== undefined) out['aliases'] = list(rules['alias']);
  if (rules['values'] !== undefined) out['values'] = list(rules['values']);
  return out as unknown as FieldSchema;
}
