/** Reads the proto files of custom resources: messages with the configuration's fields beside their own, and the kinds among them. */
import type { FieldSchema } from '../../gen/schema-types.ts';
import { loadProtos, optionOf, readSource, type Source } from './schema.ts';

const KUBERNETES_PACKAGE = 'l7mp/kubernetes/v1';

/** What a field has beside its `FieldSchema`: see SchemaRules. */
export interface SchemaRules {
  readonly max_items?: number;
  readonly min_items?: number;
  readonly max_length?: number;
  readonly min_length?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly list_keys?: readonly string[];
}

export interface Field {
  readonly name: string;
  readonly comment: string;
  readonly schema: FieldSchema;
  readonly rules: SchemaRules;
}

export interface Check {
  readonly rule: string;
  readonly message: string;
}

export interface Message {
  readonly name: string;
  readonly comment: string;
  readonly fields: readonly Field[];
  readonly checks: readonly Check[];
  /** Fields of which exactly one stands. */
  readonly oneOf: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly path: string;
  readonly priority?: number;
}

export interface Kind {
  readonly message: Message;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly columns: readonly Column[];
}

export interface Kinds {
  readonly kinds: readonly Kind[];
  /** What is in kinds, and the configuration's, but for specs. */
  readonly messages: ReadonlyMap<string, Message>;
  /** The names of those that only kinds have. */
  readonly own: readonly string[];
  readonly configuration: Source;
}

/** @throws Error where a message extends one that there isn't. */
export function readKinds(root: string): Kinds {
  const protos = loadProtos(root);
  const configuration = readSource(root);
  const messages = new Map<string, Message>();
  const kinds: Kind[] = [];
  for (const { name, comment } of configuration.messages) {
    const fields = configFields(configuration, name);
    if (fields !== undefined) messages.set(name, { name, comment, fields, checks: [], oneOf: [] });
  }
  const { schema, messages: documented } = readSource(root, KUBERNETES_PACKAGE);
  for (const { name, comment, fields } of documented) {
    const type = protos.lookupType(`${KUBERNETES_PACKAGE.replaceAll('/', '.')}.${name}`);
    const {
      extends: base,
      without = [],
      checks = [],
      one_of: oneOf = [],
    } = optionOf(type, 'message') as Partial<MessageRules>;
    const own = type.fieldsArray.map((field): Field => ({
      name: toCamelCase(field.name),
      comment: fields[field.name] ?? '',
      schema: schema[name]?.fields?.[field.name] ?? { type: 'string' },
      rules: optionOf(field, 'schema'),
    }));
    const inherited = base === undefined ? [] : configFields(configuration, base);
    if (inherited === undefined) throw new Error(`${name} extends ${String(base)}, which there isn't`);
    const taken = new Set([...without, ...own.map((field) => field.name)]);
    const all = [...inherited.filter((field) => !taken.has(field.name)), ...own];
    const message = { name, comment, checks, oneOf, fields: all };
    const { plural, short_names: shortNames = [], columns = [] } = optionOf(type, 'kind') as Partial<KindRules>;
    // A Route is the name of both, a kind and what is in it.
    if (plural !== undefined) kinds.push({ message, plural, shortNames, columns });
    else messages.set(name, message);
  }
  const own = documented.map(({ name }) => name).filter((name) => !kinds.some(({ message }) => message.name === name));
  return { kinds, messages, own, configuration };
}

interface MessageRules {
  readonly extends: string;
  readonly without: readonly string[];
  readonly checks: readonly Check[];
  readonly one_of: readonly string[];
}

interface KindRules {
  readonly plural: string;
  readonly short_names: readonly string[];
  readonly columns: readonly Column[];
}

/** Fields of the configuration keep the names that files have. */
function configFields({ schema, messages }: Source, name: string): Field[] | undefined {
  const fields = schema[name]?.fields;
  if (fields === undefined) return undefined;
  const comments = messages.find((message) => message.name === name)?.fields ?? {};
  return Object.entries(fields).map(([field, facts]) => ({
    name: field,
    comment: comments[field] ?? '',
    schema: facts,
    rules: {},
  }));
}

/** What only Kubernetes has is written as Kubernetes writes it. */
function toCamelCase(name: string): string {
  return name.replaceAll(/_([a-z])/gu, (_, letter: string) => letter.toUpperCase());
}
