/** What answers look like, as JSON schemas: closed, so that a field that nobody documented fails the tests. */

import { tapRecord } from './tap-record-schema.ts';

type Json = Readonly<Record<string, unknown>>;

const string: Json = { type: 'string' };
const integer: Json = { type: 'integer', minimum: 0 };
const boolean: Json = { type: 'boolean' };
const object: Json = { type: 'object' };
const list = (items: Json): Json => ({ type: 'array', items });
const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
/** A name; or, asked recursively, what it names; `name:<STALE>` where there is nothing of the name. */
const nameOr = (name: string): Json => ({ anyOf: [string, reference(name)] });

/** An object with these fields and no others; those that end in `?` may be absent. */
function closed(fields: Readonly<Record<string, Json>>): Json {
  const entries = Object.entries(fields);
  return {
    type: 'object',
    required: entries.filter(([name]) => !name.endsWith('?')).map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace('?', ''), schema])),
    additionalProperties: false,
  };
}

const spec: Json = { type: 'object', required: ['protocol'], properties: { protocol: string } };
const counters = closed({ bytes: integer, packets: integer, dropped: integer });
const way = {
  state: { enum: ['kernel', 'user'], description: 'Which way its packets take' },
  'reason?': { type: 'string', description: "Why not the kernel's" },
};
const engine = {
  enabled: boolean,
  'reason?': { type: 'string', description: 'Why not' },
  'attachment?': { enum: ['tcx', 'clsact'], description: "How the kernel's programs are attached" },
  'interfaces?': { ...list(string), description: 'Where' },
  'flows?': { ...integer, description: 'Sessions in the kernel' },
  'capacity?': integer,
};
const traffic = closed({ packets: integer, bytes: integer });
const rates = closed({ ingress: traffic, egress: traffic });
const source: Json = { const: 'controlplane', description: "Who wrote it; absent: the proxy's own configuration" };
const fate = {
  'source?': source,
  'state?': { enum: ['warming', 'degraded', 'failed'], description: 'Absent: it serves' },
  'reason?': { type: 'string', description: 'What it waits for, what it lacks, or why it failed' },
};
const dateTime: Json = { type: 'string', format: 'date-time' };
const address = closed({ address: string, 'port?': integer });

export const viewSchemas: Readonly<Record<string, Json>> = {
  Status: closed({
    status: integer,
    message: string,
    'content?': {
      description: 'What went wrong: text, or (422) a list of faults as a JSON schema validator says them',
    },
    'faults?': list(closed({ path: string, expected: string, found: string, 'line?': integer, 'code?': string })),
  }),
  Dashboard: closed({
    server: { const: 'proxy', description: 'A control plane answers `controlplane` here' },
    version: string,
    identity: { type: 'string', description: 'Who asks, where that is known' },
    admin: { type: 'boolean', description: 'Whether who asks may change something' },
    topics: list(string),
  }),
  Topology: closed({
    time: dateTime,
    items: list(
      closed({
        type: { enum: ['listener', 'path', 'cluster', 'endpoint', 'kernel', 'refusal'] },
        listener: string,
        rule: string,
        route: string,
        cluster: string,
        endpoint: string,
        address: string,
        detail: { type: 'string', description: 'Protocol, health, transport or reason, as the type has it' },
        active: integer,
        opened: integer,
        failed: integer,
        bytes_in: integer,
        bytes_out: integer,
        bytes_kernel: integer,
        connects: integer,
        connect_ms: { type: 'number', description: 'What all of them took' },
      }),
    ),
    omitted: { ...integer, description: 'Pieces beyond the 2,000 with the most sessions' },
    faults: list(
      closed({ time: dateTime, session: string, listener: string, cluster: string, code: string, message: string }),
    ),
  }),
  Changes: closed({
    changes: list(
      closed({
        key: closed({ kind: string, name: string }),
        action: { enum: ['created', 'updated', 'deleted', 'unchanged'] },
        warnings: list(object),
        diff: { type: 'string', description: 'Line by line, as diff -u' },
      }),
    ),
    warnings: list(object),
  }),
  Config: closed({
    admin: reference('Admin'),
    listeners: list(reference('config.Listener')),
    clusters: list(reference('config.Cluster')),
    rulelists: list(reference('config.RuleList')),
    rules: list(reference('config.Rule')),
    routes: list(reference('config.Route')),
    sessions: list(reference('Session')),
  }),
  Admin: {
    type: 'object',
    required: ['version', 'log_level', 'strict'],
    properties: { version: string, log_level: string, strict: boolean, api: object },
  },
  Listener: closed({
    name: string,
    spec,
    rules: nameOr('RuleList'),
    options: object,
    'bound?': { type: 'string', description: 'Where it listens, as in 127.0.0.1:5000' },
    'overflow?': { ...integer, description: 'Datagrams that the kernel dropped: the receive buffer was full' },
    ...fate,
  }),
  Cluster: {
    type: 'object',
    required: ['name', 'spec', 'endpoints', 'loadbalancer'],
    properties: {
      name: string,
      spec,
      endpoints: {
        anyOf: [integer, list(reference('Endpoint'))],
        description: 'How many; or, asked recursively, which',
      },
      loadbalancer: { type: 'object', required: ['policy'], properties: { policy: string, key: string } },
      source,
      state: fate['state?'],
      reason: fate['reason?'],
    },
  },
  Endpoint: {
    anyOf: [
      closed({
        name: string,
        spec: closed({ 'address?': string, 'port?': integer, 'bind?': object }),
        weight: integer,
        resolved: list(
          closed({
            address: string,
            port: integer,
            health: { enum: ['healthy', 'unhealthy', 'ejected'] },
            sessions: integer,
            total_sessions: integer,
            total_failures: integer,
          }),
        ),
      }),
      {
        ...closed({ name: string, spec: closed({ address: { const: '<VIRTUAL>' } }) }),
        description: 'The one endpoint of a cluster that has no network',
      },
    ],
  },
  RuleList: closed({ name: string, rules: list(nameOr('Rule')), 'source?': source }),
  Rule: closed({
    name: string,
    match: object,
    action: closed({
      'rewrite?': list(object),
      'route?': nameOr('Route'),
      'apply?': nameOr('RuleList'),
      'respond?': object,
      'redirect?': object,
    }),
    'source?': source,
  }),
  Route: closed({
    name: string,
    'destination?': nameOr('Cluster'),
    'destinations?': list(
      closed({
        'cluster?': nameOr('Cluster'),
        weight: integer,
        'respond?': object,
        'rewrite?': list(object),
        'response_headers?': object,
      }),
    ),
    ingress: list(nameOr('Cluster')),
    egress: list(nameOr('Cluster')),
    retry: closed({
      retry_on: string,
      num_retries: integer,
      timeout: integer,
      statuses: list(integer),
      'backoff?': integer,
      max_body_bytes: integer,
    }),
    timeouts: closed({ connect: integer, 'idle?': integer, session: integer, half_close: integer, attempt: integer }),
    'mirrors?': list(closed({ cluster: nameOr('Cluster'), percent: { type: 'number' } })),
    'response_headers?': object,
    'cors?': object,
    'fault?': object,
    'limits?': object,
    'persistence?': object,
    'source?': source,
  }),
  ControlPlane: closed({
    connected: boolean,
    server: { type: 'string', description: 'Where it is connected, or was tried last' },
    variant: { enum: ['delta', 'sotw'] },
    since: { type: 'string', format: 'date-time', description: 'Since when it is connected, or not any more' },
    connects: integer,
    'last_error?': string,
    ready: { type: 'boolean', description: 'Whether a first complete configuration is live' },
    types: {
      type: 'object',
      description: 'By kind of resources',
      additionalProperties: closed({
        resources: integer,
        acks: integer,
        nacks: integer,
        'version?': string,
        'last_nack?': closed({ at: { type: 'string', format: 'date-time' }, faults: list(string) }),
      }),
    },
  }),
  Offload: closed({
    ...engine,
    'tcp?': { ...closed(engine), description: 'Of TCP connections; the above is of datagrams' },
    handovers: { ...integer, description: 'Sessions that were given to the kernel' },
    handbacks: { ...integer, description: 'Those of them that user space took back before they ended' },
    refusals: { type: 'object', description: 'Sessions kept or thrown out, by reason', additionalProperties: integer },
    sessions: {
      ...list(
        closed({
          session: string,
          listener: string,
          rate: { ...integer, description: 'Packets a second of late, in both directions' },
          packets: { ...integer, description: 'What the kernel has relayed, in both directions' },
          bytes: integer,
          ...way,
        }),
      ),
      description: 'Those that are in the kernel, and live ones that were refused',
    },
  }),
  Traffic: closed({
    sessions: { ...integer, description: 'Live ones' },
    kernel: { ...integer, description: 'Those of them that the kernel relays' },
    rates: {
      ...rates,
      description: 'What moves a second, over the last one to ten: what sessions moved that have ended meanwhile is in',
    },
    listeners: list(closed({ name: string, sessions: integer, rates })),
    clusters: list(closed({ name: string, sessions: integer, rates })),
  }),
  Tap: closed({
    id: integer,
    request: reference('config.Tap'),
    started_at: { type: 'integer', description: 'Milliseconds since the epoch' },
    'remote?': { type: 'string', description: 'Who reads it' },
    sessions: { ...integer, description: 'Of which something was seen' },
    messages: { ...integer, description: 'That its reader was given' },
    bytes: { ...integer, description: 'Of these messages' },
    dropped: {
      ...closed({ messages: integer, bytes: integer }),
      description: 'There was no room for them, or too much passed a second',
    },
  }),
  TapRecord: tapRecord,
  Stage: closed({
    origin: { type: 'string', description: "The cluster's name" },
    'endpoint?': closed({ name: string, spec: address }),
    status: { enum: ['INIT', 'READY', 'RETRYING', 'FINALIZED'] },
    attempts: integer,
  }),
  Session: closed({
    id: { type: 'integer', description: 'Rises from session to session' },
    name: string,
    metadata: object,
    source: closed({
      origin: { type: 'string', description: "The listener's name" },
      listener: { anyOf: [spec, { const: '<INVALID>' }], description: 'Its spec; <INVALID> where it is gone' },
      status: string,
    }),
    'destination?': reference('Stage'),
    ingress: list(reference('Stage')),
    egress: list(reference('Stage')),
    status: { enum: ['INIT', 'CONNECTED', 'DISCONNECTED', 'FINALIZING', 'DESTROYED'] },
    events: list(
      closed({ event: string, timestamp: { type: 'string', format: 'date-time' }, message: string, content: {} }),
    ),
    'rulelist?': string,
    'rule?': string,
    'route?': string,
    counters: closed({ ingress: counters, egress: counters }),
    offload: closed({
      ...way,
      'traffic?': {
        ...closed({ ingress: traffic, egress: traffic }),
        description: 'What of the counters the kernel has relayed',
      },
    }),
    rate: { type: 'integer', description: 'Bytes a second of late, in both directions' },
    rates: { ...rates, description: 'The same by direction, and packets a second' },
    retries: integer,
    started_at: { type: 'integer', description: 'Milliseconds since the epoch' },
    'ended_at?': { type: 'integer', description: 'Milliseconds since the epoch' },
    'reason?': { type: 'string', description: 'Why it ended: OK, or a code of docs/errors.md' },
  }),
};
