/** Makes the JSON schema of the configuration file, with which editors complete and check it. */
import { createJsonSchemas, type JsonSchema } from '../../config/json-schema.ts';
import type { Source } from './schema.ts';

export function makeJsonSchema({ schema, messages }: Source): JsonSchema {
  const documented = new Map(messages.map((message) => [message.name, message]));
  const $defs = createJsonSchemas({
    schema,
    refer: (name) => `#/$defs/${name}`,
    comment: (name, field) => {
      const message = documented.get(name);
      return field === undefined ? message?.comment : message?.fields[field];
    },
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The configuration of l7mp',
    // An empty file is a configuration, too.
    anyOf: [{ $ref: '#/$defs/Config' }, { type: 'null' }],
    $defs,
  };
}
