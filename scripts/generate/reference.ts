/** Prints the reference of the configuration: a section for each message, a row for each field. */
import type { FieldSchema } from '../../gen/schema-types.ts';
import type { Source } from './schema.ts';

export function printReference({ schema, messages }: Source): string {
  const out = [
    '# Configuration reference',
    'Every field of the configuration file. `npm run generate` makes this page from `proto/l7mp/config/v1`;',
    '[config.schema.json](config.schema.json) says the same to editors (`# yaml-language-server: $schema=…` in the first line).',
    'Objects that refer to others take a name, or the object itself in place. A file has the lists `listeners`, `clusters`,',
    '`rulelists`, `rules` and `routes`, and `admin`.',
  ];
  for (const { name, comment, fields } of messages) {
    const entry = schema[name];
    if (!entry) continue;
    out.push('', `## ${name}`, '', comment, '');
    if (entry.variants) {
      out.push('| `protocol` | its other fields |', '| --- | --- |');
      for (const [protocol, { message }] of Object.entries(entry.variants)) {
        out.push(`| \`${protocol}\` | [${message}](#${message.toLowerCase()}) |`);
      }
    } else if (Object.keys(entry.fields).length > 0) {
      out.push('| field | type | default | |', '| --- | --- | --- | --- |');
      for (const [field, facts] of Object.entries(entry.fields)) {
        const text = (fields[field] ?? '').replaceAll(/\s+/gu, ' ').replaceAll('|', '\\|');
        out.push(`| ${namesOf(field, facts)} | ${typeOf(facts)} | ${defaultOf(facts)} | ${text} |`);
      }
    }
  }
  return `${out.join('\n')}\n`;
}

function namesOf(name: string, { aliases = [] }: FieldSchema): string {
  return [name, ...aliases].map((each) => `\`${each}\``).join(', ');
}

function typeOf(field: FieldSchema): string {
  const { reference, message, values, min, max, unit, format, type } = field;
  const link = reference ?? message;
  const single =
    link === undefined ? (values?.map((each) => `\`${each}\``).join(', ') ?? format ?? type) : linkTo(link);
  const bounds = [min !== undefined && `from ${min}`, max !== undefined && `to ${max}`].filter(Boolean).join(' ');
  const whole = [single, bounds, unit].filter(Boolean).join(' ');
  if (field.map) return `map of ${whole}`;
  return field.repeated ? `list of ${whole}` : whole;
}

function linkTo(name: string): string {
  return `[${name}](#${name.toLowerCase()})`;
}

function defaultOf(field: FieldSchema): string {
  if (field.required) return 'required';
  if (field.default === undefined) return '';
  return `\`${JSON.stringify(field.default)}\``;
}
