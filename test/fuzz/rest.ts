/** Fuzz target: requests to the REST API. Each is answered, none is the proxy's fault, and what is left still decodes. */
import fc from 'fast-check';
import { decodeConfig } from '../../config/decode.ts';
import { toPlain } from '../../config/print.ts';
import { schema } from '../../gen/l7mp/config/v1/schema.ts';
import { createTestApi, fakeSession } from '../support/admin.ts';
import { messages } from './config-values.ts';
import { asJson, fromJson } from './inputs.ts';

const CONFIG = {
  listeners: [{ name: 'a', spec: { protocol: 'UDP', port: 1 }, rules: [{ action: { route: { destination: 'b' } } }] }],
  clusters: [{ name: 'b', spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] }],
  rulelists: [{ name: 'c', rules: ['r'] }],
};

const { operations } = createTestApi();
const word = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '0', '-1', 'a-RuleList-1', 'b-EndPoint-1', '%2f', '%', '%ff', '..', '__proto__', ''),
  fc.string(),
);
const known = fc.constantFrom(...operations);
const query = fc.constantFrom('', '?recursive=true', '?format=pretty', '?format=%', '?', '#x');
const url = fc
  .tuple(known, fc.array(word, { minLength: 2, maxLength: 2 }), query)
  .map(([{ path }, words, end]) => path.replace(/\{[^}]*\}/gu, () => words.pop() ?? '') + end);
const wrapped = fc.oneof(
  ...['Listener', 'Cluster', 'RuleList', 'Rule', 'Route', 'Endpoint', 'Admin'].map((kind) =>
    messages(kind, 2).map((value) => ({ [kind.toLowerCase()]: value })),
  ),
);
const body = fc.oneof(
  wrapped.map((value) => JSON.stringify(value)),
  fc.json(),
  fc.string(),
  fc.constant(''),
);

export const inputs = asJson(
  fc.record({
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD', 'constructor'), fc.string()),
    url: fc.oneof({ weight: 5, arbitrary: url }, fc.string()),
    type: fc.constantFrom('application/json', 'text/x-yaml', 'application/json; charset=utf-8', 'text/plain', ''),
    body,
  }),
);

export async function fuzz(data: Buffer): Promise<void> {
  const input = fromJson(data) as { method: string; url: string; type: string; body: string } | null | undefined;
  if (typeof input?.url !== 'string') return;
  const { method, type } = input;
  const api = createTestApi(CONFIG);
  api.sessions.set('a', fakeSession({ name: 'a' }));
  const { status, text } = await api.send(method, input.url, { 'content-type': type }, input.body);
  if (status < 200 || status === 500 || status > 501)
    throw new Error(`${method} ${input.url}: expected no status ${status}: ${text}`);
  const { faults } = decodeConfig(JSON.parse(JSON.stringify(toPlain(schema, api.sink.snapshot))));
  if (faults.length > 0) throw new Error(`expected a configuration without faults, found ${JSON.stringify(faults)}`);
}
