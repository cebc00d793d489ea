/** The OpenAPI document of the REST API. */
import { KINDS } from './changes.ts';

type Json = Readonly<Record<string, unknown>>;

const reply = (description: string, schema: Json): Json => ({
  description,
  content: { 'application/json': { schema } },
});
const status = { $ref: '#/components/schemas/Status' };
const FAILURES: Json = {
  '400': reply('The name is unknown or taken, or the body has faults: all are named', status),
  '401': reply('The bearer token is wanted', status),
  '415': reply('The body is neither JSON nor YAML', status),
  '422': reply('Strict mode: the body does not fit the schema', status),
};
const DONE: Json = { '200': reply('Done', status), ...FAILURES };

const parameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});
const query = (name: string, description: string, schema: Json): Json => ({ name, in: 'query', description, schema });
const RECURSIVE = query('recursive', 'Shows or deletes what was written in the object, too', { type: 'boolean' });
const FORMAT = query('format', '`json`, `pretty`, or a number of spaces', { type: 'string' });
const NAME = parameter('name', 'The name, percent-encoded');

const body = (key: string): Json => ({
  required: true,
  content: Object.fromEntries(
    ['application/json', 'text/x-yaml'].map((type) => [
      type,
      { schema: { type: 'object', properties: { [key]: { type: ['object', 'string', 'array'] } } } },
    ]),
  ),
});

const shown = (schema: Json): Json => ({ '200': reply('As it is', schema), ...FAILURES });
const object = { type: 'object' };
const named = { $ref: '#/components/schemas/Named' };
const list = { type: 'array', items: named };
const page = (summary: string): Json => ({
  get: {
    summary,
    responses: { '200': { description: summary, content: { 'text/plain': { schema: { type: 'string' } } } } },
  },
});

function collectionPaths(collection: keyof typeof KINDS): Json {
  const { body: key } = KINDS[collection];
  return {
    [`/api/v1/${collection}`]: {
      get: { summary: `Lists ${collection}`, parameters: [RECURSIVE, FORMAT], responses: shown(list) },
      post: { summary: `Adds a ${key}`, requestBody: body(key), responses: DONE },
    },
    [`/api/v1/${collection}/{name}`]: {
      get: { summary: `Shows a ${key}`, parameters: [NAME, RECURSIVE, FORMAT], responses: shown(named) },
      delete: { summary: `Deletes a ${key}`, parameters: [NAME, RECURSIVE], responses: DONE },
    },
  };
}

export const openapi: Json = {
  openapi: '3.1.0',
  info: {
    title: 'l7mp',
    version: '1',
    description: 'Shows and changes the configuration of a proxy, and shows and ends its sessions.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  security: [{}, { token: [] }],
  paths: {
    '/': page('What there is'),
    '/healthz': page('The process lives'),
    '/ready': {
      get: {
        summary: 'The configuration is live',
        security: [{}],
        responses: {
          '200': { description: 'Ready', content: { 'text/plain': { schema: { type: 'string' } } } },
          '503': { description: 'Not yet, or stopping', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
    '/metrics': page('Metrics in the format of Prometheus'),
    '/api/v1/openapi.json': { get: { summary: 'This document', parameters: [FORMAT], responses: shown(object) } },
    '/api/v1/config': {
      get: { summary: 'The configuration', parameters: [FORMAT], responses: shown(object) },
      post: { summary: 'Replaces the configuration, but for admin', requestBody: body('config'), responses: DONE },
    },
    '/api/v1/admin': {
      get: { summary: 'The settings of the process', parameters: [FORMAT], responses: shown(object) },
      post: { summary: 'Sets the log level', requestBody: body('admin'), responses: DONE },
    },
    ...(Object.keys(KINDS) as (keyof typeof KINDS)[]).reduce<Json>(
      (all, each) => ({ ...all, ...collectionPaths(each) }),
      {},
    ),
    '/api/v1/clusters/{name}/endpoints': {
      get: { summary: 'Lists the endpoints of a cluster', parameters: [NAME, FORMAT], responses: shown(list) },
      post: { summary: 'Adds an endpoint', parameters: [NAME], requestBody: body('endpoint'), responses: DONE },
    },
    '/api/v1/endpoints/{name}': {
      get: { summary: 'Shows an endpoint', parameters: [NAME, FORMAT], responses: shown(named) },
      delete: { summary: 'Deletes an endpoint', parameters: [NAME], responses: DONE },
    },
    '/api/v1/rulelists/{name}/rules/{position}': {
      get: {
        summary: 'Shows the rule at a position',
        parameters: [NAME, parameter('position', 'From 0'), RECURSIVE, FORMAT],
        responses: shown(named),
      },
      post: {
        summary: 'Inserts a rule at a position',
        parameters: [NAME, parameter('position', 'From 0')],
        requestBody: body('rule'),
        responses: DONE,
      },
      delete: {
        summary: 'Takes the rule at a position out of the list',
        parameters: [NAME, parameter('position', 'From 0')],
        responses: DONE,
      },
    },
    '/api/v1/sessions': { get: { summary: 'Lists sessions', parameters: [FORMAT], responses: shown(list) } },
    '/api/v1/sessions/{name}': {
      get: { summary: 'Shows a session', parameters: [NAME, FORMAT], responses: shown(named) },
      delete: { summary: 'Ends a session at once', parameters: [NAME], responses: DONE },
    },
  },
  components: {
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    schemas: {
      Status: {
        type: 'object',
        required: ['status', 'message'],
        properties: {
          status: { type: 'integer' },
          message: { type: 'string' },
          content: {},
          faults: {
            type: 'array',
            items: {
              type: 'object',
              required: ['path', 'expected', 'found'],
              properties: {
                path: { type: 'string' },
                expected: { type: 'string' },
                found: { type: 'string' },
                line: { type: 'integer' },
              },
            },
          },
        },
      },
      Named: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
    },
  },
};
