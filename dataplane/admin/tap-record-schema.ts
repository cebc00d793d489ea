/** What a tap streams, as a JSON schema: one object a line, told apart by its `type`. */

type Json = Readonly<Record<string, unknown>>;

const string: Json = { type: 'string' };
const integer: Json = { type: 'integer', minimum: 0 };
const headers: Json = { type: 'array', items: string, description: 'Name, value, name, value, …' };
const sums = { messages: integer, bytes: integer };

/** Fields whose names end in `?` may be absent. */
function record(type: string, description: string, fields: Readonly<Record<string, Json>>): Json {
  const entries = Object.entries({ type: { const: type }, time: { type: 'number' }, ...fields });
  return {
    type: 'object',
    description,
    required: entries.filter(([name]) => !name.endsWith('?')).map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace('?', ''), schema])),
  };
}

const passing = { id: integer, direction: { enum: ['in', 'out'] } };

export const tapRecord: Json = {
  description: 'One line of a tap. Empty lines show that the proxy lives. `time` is in ms since the epoch',
  oneOf: [
    record('start', 'The first: what is tapped', {
      tap: integer,
      request: { $ref: '#/components/schemas/config.Tap' },
    }),
    record('session', 'Before all else of a session', {
      id: integer,
      session: string,
      side: { enum: ['client', 'upstream'] },
      listener: { type: 'object' },
      'cluster?': { type: 'object' },
      'endpoint?': string,
      'route?': string,
      'joined?': { const: true, description: 'It had begun before' },
      ends: { type: 'object', description: 'Transport, addresses and ports' },
      framing: { enum: ['bytes', 'datagrams'] },
      metadata: { type: 'object' },
    }),
    record('data', 'A message, or a chunk of bytes', {
      ...passing,
      offset: { ...integer, description: 'Bytes of this direction before it' },
      length: { ...integer, description: 'In bytes, as it passed, also where the payload is cut or redacted' },
      'payload?': { ...string, description: 'UTF-8, unless `encoding` says otherwise' },
      'encoding?': { const: 'base64' },
      'text?': { const: true },
      'redacted?': { const: true, description: 'Parts of it, or all, are not shown' },
    }),
    record('head', 'The head of an answer', {
      ...passing,
      status: integer,
      'reason?': string,
      headers,
      'tunnel?': { const: true },
    }),
    record('trailers', 'Trailer fields', { ...passing, headers }),
    record('end', 'Nothing more passes in this direction', { ...passing, 'code?': integer, 'message?': string }),
    record('note', 'Something of a session that is not seen, and why', { id: integer, message: string }),
    record('close', 'The session is over', {
      id: integer,
      reason: string,
      'status?': integer,
      'cluster?': string,
      'endpoint?': string,
    }),
    record('dropped', 'Here, so much is missing', sums),
    record('stop', 'The last', {
      reason: string,
      sessions: integer,
      ...sums,
      dropped: { type: 'object', properties: sums, required: ['messages', 'bytes'] },
    }),
  ],
};
