/** The OpenAPI document of the REST API. A copy is checked in as docs/openapi.json, by `npm run generate`. */
import { INTERVALS, USUAL_TOPICS } from '../../common/web/queries.ts';
import { KIND_OF, LISTS } from '../../config/kinds.ts';
import { type Collection, labelOf } from './changes.ts';
import { MAX_PAGE, ORDERS, STATUSES } from './session-page.ts';
import { RECORDS_TYPE } from './taps.ts';
import type { AdminDependencies } from './types.ts';
import { TOPICS } from './topics.ts';
import { viewSchemas } from './view-schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const listOf = (name: string): Json => ({ type: 'array', items: reference(name) });

const answer = (description: string, schema: Json): Json => ({
  description,
  content: { 'application/json': { schema } },
});
const page = (description: string): Json => ({
  description,
  content: { 'text/plain': { schema: { type: 'string' } } },
});

const metricsPage: Json = {
  description: 'The page',
  content: {
    'text/plain': { schema: { type: 'string' } },
    'application/openmetrics-text': { schema: { type: 'string' } },
  },
};

const status = (description: string): Json => answer(description, reference('Status'));
const REFUSED: Json = {
  '401': status('The bearer token is wanted'),
  '403': status('A page in a browser asked, or who names this address otherwise, without a token'),
};
const UNKNOWN: Json = { '400': status('The name is unknown, or the query is wrong'), ...REFUSED };
const DONE: Json = { '200': status('Done'), ...UNKNOWN, '503': status('The proxy is stopping') };
const CHANGED: Json = {
  ...DONE,
  '400': status('The name is unknown or taken, or the body has faults: all are named'),
  '413': status('The body is too large'),
  '415': status('The body is neither JSON nor YAML, by its content type'),
  '422': status('In strict mode: the body has faults, all are named'),
  '501': status('This cannot be changed while the proxy runs'),
};

const inPath = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});
const NAME = inPath('name', 'The name, percent-encoded');
const RECURSIVE: Json = {
  name: 'recursive',
  in: 'query',
  description: 'Shows the objects that are named by their names otherwise',
  schema: { type: 'boolean', default: false },
};
const RECURSIVE_DELETE: Json = {
  ...RECURSIVE,
  description: 'Deletes what was written in the object, too, and ends the sessions of deleted listeners and clusters',
};
const FORMAT: Json = {
  name: 'format',
  in: 'query',
  description: '`json` (one line), `pretty`, or a number of spaces from 0 to 9',
  schema: { type: 'string', default: 'json' },
};

/** A body that wraps one object, as in `{"listener": {…}}`. */
const wrapped = (key: string, schema: Json): Json => {
  const media = { schema: { type: 'object', properties: { [key]: schema }, required: [key] } };
  return { required: true, content: { 'application/json': media, 'text/x-yaml': media } };
};

const get = (operationId: string, summary: string, parameters: readonly Json[], schema: Json): Json => ({
  operationId,
  summary,
  parameters: [...parameters, FORMAT],
  responses: { '200': answer(summary, schema), ...UNKNOWN },
});
const getPage = (operationId: string, summary: string): Json => ({
  operationId,
  summary,
  responses: { '200': page(summary), ...REFUSED },
});
const post = (operationId: string, summary: string, parameters: readonly Json[], requestBody: Json): Json => ({
  operationId,
  summary,
  parameters,
  requestBody,
  responses: CHANGED,
});
const remove = (operationId: string, summary: string, parameters: readonly Json[]): Json => ({
  operationId,
  summary,
  parameters,
  responses: DONE,
});

const inQuery = (name: string, description: string, schema: Json): Json => ({ name, in: 'query', description, schema });
const inHeader = (description: string): Json => ({ description, schema: { type: 'string' } });
const SEARCH = inQuery(
  'search',
  'Only those with this in a name (listener, cluster, endpoint …), an address, or the status',
  {
    type: 'string',
  },
);

const getSessions: Json = {
  operationId: 'getSessions',
  summary: 'Lists sessions',
  parameters: [
    inQuery('limit', 'The most that are listed; all when absent', { type: 'integer', minimum: 1, maximum: MAX_PAGE }),
    inQuery('after', 'Only those of a higher `id`: with `limit`, the next page', { type: 'integer', minimum: 0 }),
    inQuery('listener', 'Only those of this listener', { type: 'string' }),
    inQuery('status', 'Only those of this status', { enum: STATUSES }),
    inQuery('live', 'Only those that have not ended', { type: 'boolean', default: false }),
    SEARCH,
    inQuery('sort', 'By what: `id` and `name` from the lowest up, the others from the highest down', {
      enum: Object.keys(ORDERS),
    }),
    FORMAT,
  ],
  responses: {
    '200': {
      ...answer('Lists sessions', listOf('Session')),
      headers: {
        'X-Total-Count': inHeader('How many match, listed or not'),
        Link: inHeader('The next page, where there is one, as `<…>; rel="next"` (RFC 8288)'),
      },
    },
    ...UNKNOWN,
  },
};

const TAP_ID = inPath('id', "The tap's number");
const ENDED_BY = inQuery('by', 'Who ends it, as its stop record says: its own client; somebody else when absent', {
  type: 'string',
  enum: ['client'],
});
const addTap: Json = {
  ...post(
    'addTap',
    'Streams what passes sessions, until it ends or its client goes',
    [],
    wrapped('tap', reference('config.Tap')),
  ),
  responses: {
    ...CHANGED,
    '200': {
      description: 'One record a line',
      content: { [RECORDS_TYPE]: { schema: reference('TapRecord') } },
    },
    '403': status('Taps are not allowed, or not from there'),
    '503': status('There are enough taps, or the proxy is stopping'),
  },
};

const getEvents: Json = {
  operationId: 'getEvents',
  summary: 'Follows what changes',
  description:
    'Each event is named after its topic; its data is JSON: `put` has keys with their values that are new or another, ' +
    '`gone` keys of what is gone, `omitted` how many others there are; `first` is true for the first event of a topic. ' +
    'Who reads slowly is told less often.',
  parameters: [
    inQuery(
      'topics',
      `Names of topics by commas: ${TOPICS.join(', ')}; \`sessions\` takes the query of /api/v1/sessions`,
      {
        type: 'string',
        default: USUAL_TOPICS,
      },
    ),
    inQuery('interval', 'Between two looks, in ms', {
      type: 'integer',
      minimum: INTERVALS.least,
      maximum: INTERVALS.most,
      default: INTERVALS.usual,
    }),
    SEARCH,
  ],
  responses: {
    '200': { description: 'Server-Sent Events', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    ...UNKNOWN,
    '503': status('Too many streams are open'),
  },
};

function objectPaths(collection: Collection): Json {
  const kind = KIND_OF[collection];
  const label = labelOf(collection);
  return {
    [`/api/v1/${collection}`]: {
      get: get(`get${kind}s`, `Lists ${collection}`, [RECURSIVE], listOf(kind)),
      post: post(`add${kind}`, `Adds a ${label}`, [], wrapped(label, reference(`config.${kind}`))),
    },
    [`/api/v1/${collection}/{name}`]: {
      get: get(`get${kind}`, `Shows a ${label}`, [NAME, RECURSIVE], reference(kind)),
      delete: remove(`delete${kind}`, `Deletes a ${label}`, [NAME, RECURSIVE_DELETE]),
    },
  };
}

const ENDPOINT = inPath('endpoint', "The endpoint's name, percent-encoded");
const POSITION = inPath('position', 'The position of the rule, from 0; its name will do, too, where it is in the list');
const INSERT = inPath('position', 'Where the rule is inserted: 0 is the first place, the length of the list the last');
const RULE: Json = { anyOf: [{ type: 'string' }, reference('config.Rule')] };

export function createOpenapi(jsonSchemas: AdminDependencies['jsonSchemas']): Json {
  const configSchemas = Object.entries(jsonSchemas((name) => `#/components/schemas/config.${name}`));
  return {
    openapi: '3.1.0',
    info: {
      title: 'l7mp',
      version: '1.0.0',
      description: 'Shows and changes the configuration of a proxy, and shows and ends its sessions.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:1234' }],
    security: [{}, { token: [] }],
    paths: {
      '/': { get: getPage('getIndex', 'What there is') },
      '/healthz': { get: { ...getPage('getHealth', 'The process lives'), security: [{}] } },
      '/ready': {
        get: {
          operationId: 'getReadiness',
          summary: 'Whether the configuration is live',
          security: [{}],
          responses: { '200': page('It is'), '503': page('Not yet, or the proxy is stopping') },
        },
      },
      '/metrics': {
        get: {
          operationId: 'getMetrics',
          summary: "Metrics in Prometheus's text format, or in OpenMetrics where `Accept` asks for it",
          responses: { '200': metricsPage, ...REFUSED },
        },
      },
      '/api/v1/openapi.json': { get: get('getOpenapi', 'This document', [], { type: 'object' }) },
      '/api/v1/config': {
        get: get('getConf', 'The whole configuration, and the sessions', [], reference('Config')),
        post: {
          ...post(
            'setConf',
            'Replaces the configuration, as a whole or not at all; `admin` stays as it is',
            [inQuery('dry_run', 'Only say what would change', { type: 'boolean', default: false })],
            wrapped('config', reference('config.Config')),
          ),
          responses: {
            ...CHANGED,
            '200': answer('Done, or what would be', { anyOf: [reference('Status'), reference('Changes')] }),
          },
        },
      },
      '/api/v1/admin': {
        get: get('getAdmin', 'The settings of the process', [], reference('Admin')),
        post: post('applyAdmin', 'Sets `log_level` and `strict`', [], wrapped('admin', reference('config.Admin'))),
      },
      '/api/v1/dashboard': {
        get: get('getDashboard', 'What a page can ask this server', [], reference('Dashboard')),
      },
      '/api/v1/topology': {
        get: get('getTopology', 'What sessions have done, by piece of the topology', [], reference('Topology')),
      },
      '/api/v1/events': { get: getEvents },
      '/api/v1/controlplane': {
        get: get('getControlPlane', 'How the proxy fares with its control plane', [], reference('ControlPlane')),
      },
      '/api/v1/offload': {
        get: get('getOffload', 'Which sessions the kernel relays, and why others not', [], reference('Offload')),
      },
      ...Object.assign({}, ...LISTS.map(objectPaths)),
      '/api/v1/clusters/{name}/endpoints': {
        get: get('getEndPoints', 'Lists the endpoints of a cluster', [NAME], listOf('Endpoint')),
        post: post(
          'addEndPoint',
          'Adds an endpoint to a cluster',
          [NAME],
          wrapped('endpoint', { anyOf: [{ type: 'string' }, reference('config.Endpoint')] }),
        ),
      },
      '/api/v1/clusters/{name}/endpoints/{endpoint}': {
        get: get('getEndPointOfCluster', 'Shows an endpoint', [NAME, ENDPOINT], reference('Endpoint')),
        delete: remove('deleteEndPointOfCluster', 'Takes an endpoint out of its cluster', [NAME, ENDPOINT]),
      },
      '/api/v1/endpoints/{name}': {
        get: get('getEndPoint', 'Shows an endpoint, whose name only one cluster has', [NAME], reference('Endpoint')),
        delete: remove('deleteEndPoint', 'Takes an endpoint, whose name only one cluster has, out of it', [NAME]),
      },
      '/api/v1/rulelists/{name}/rules/{position}': {
        get: get('getRuleFromRuleList', 'Shows a rule of a list', [NAME, POSITION, RECURSIVE], reference('Rule')),
        post: post('addRuleToRuleList', 'Inserts a rule into a list', [NAME, INSERT], wrapped('rule', RULE)),
        delete: remove('deleteRuleFromRuleList', 'Takes a rule out of a list; the rule itself stays', [NAME, POSITION]),
      },
      '/api/v1/sessions': { get: getSessions },
      '/api/v1/sessions/{name}': {
        get: get('getSession', 'Shows a session', [NAME], reference('Session')),
        delete: remove('deleteSession', 'Ends a session at once', [NAME]),
      },
      '/api/v1/traffic': {
        get: get('getTraffic', 'What moves now: in all, by listener and by cluster', [], reference('Traffic')),
      },
      '/api/v1/taps': { get: get('getTaps', 'Lists the taps that run', [], listOf('Tap')), post: addTap },
      '/api/v1/taps/{id}': {
        delete: remove('deleteTap', 'Ends a tap: its reader is told the rest', [TAP_ID, ENDED_BY]),
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { ...viewSchemas, ...Object.fromEntries(configSchemas.map(([name, each]) => [`config.${name}`, each])) },
    },
  };
}
