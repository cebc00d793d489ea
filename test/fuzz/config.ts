/** Fuzz target: the text of a configuration. It gives a snapshot, or faults with their places; printing gives it again. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { decodeConfig } from '../../config/decode.ts';
import { parseText, type Parsed } from '../../config/parse.ts';
import { toPlain } from '../../config/print.ts';
import { danglingReferences } from '../../config/references.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { type Fault, FaultsError } from '../../common/errors.ts';
import { schema } from '../../gen/l7mp/config/v1/schema.ts';
import { configs } from './config-values.ts';
import { asJson, mutations, texts } from './inputs.ts';

const validate = new Ajv2020({ strict: false }).compile(
  JSON.parse(readFileSync('docs/config.schema.json', 'utf8')) as object,
);

const YAML = `# a relay
listeners:
  - name: in
    spec: udp://127.0.0.1:5000
    rules: &rules
      - match: {op: starts, path: /IP/src_addr, value: "10."}
        action: {route: {cluster: out, retry: {retry_on: always}}}
  - {spec: {protocol: TCP, port: 1}, rules: *rules}
clusters:
  - name: out
    spec: {protocol: UDP, port: 6000}
    endpoints: [127.0.0.1, {spec: {address: "::1"}}]
`;

export const inputs = fc.oneof(
  { weight: 2, arbitrary: asJson(configs('wild')) },
  { weight: 3, arbitrary: asJson(configs('right')) },
  mutations(texts(YAML, '{"clusters":[{"name":"c","spec":"echo"}]}', 'admin: {log_level: debug}\n', ''), [
    ...['\n', '  ', '- ', ': ', '{', '}', '[', ']', '"', "'", '&a ', '*a', '*rules', '<<: ', '!!binary ', '---\n', '#'],
    ...['null', '~', '0x1F', '1e3', 'name: in\n', 'protocol: ', 'rules', '__proto__', '\xff', '\0', '\t', '|\n', '? '],
  ]),
);

export async function fuzz(data: Buffer): Promise<void> {
  let parsed: Parsed;
  try {
    parsed = await parseText(data.toString());
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    expectFaults(error.faults);
    return;
  }
  const { value, faults } = decodeConfig(parsed.raw);
  // An empty file is a configuration that no editor checks.
  if (value !== undefined && (parsed.raw ?? undefined) !== undefined && !validate(parsed.raw)) {
    throw new Error(
      `expected the JSON schema to accept what the decoder does, found ${JSON.stringify(validate.errors)}`,
    );
  }
  if (value === undefined) {
    expectFaults(faults);
    const located = await parsed.locate(faults);
    expectFaults(located);
    if (located.length !== faults.length) throw new Error(`expected ${faults.length} faults, found ${located.length}`);
    for (const { path, line } of located) {
      if (path !== '' && line === undefined) throw new Error(`expected the line of ${path}`);
    }
  } else expectSameAgain(value);
  // What is lenient finds less.
  const lenient = decodeConfig(parsed.raw, { lenient: true });
  if (value !== undefined && lenient.value === undefined)
    throw new Error('expected no faults where unknown fields may be');
}

function expectFaults(faults: readonly Fault[]): void {
  if (faults.length === 0) throw new Error('expected a snapshot, or faults');
  for (const { expected, found } of faults) {
    if (expected === '' || found === '')
      throw new Error('expected words for what was expected, and for what was found');
  }
}

/** Printed and decoded, a configuration is the same, but for who owns what: inline objects stand by their names then. */
function expectSameAgain(snapshot: ConfigSnapshot): void {
  danglingReferences(snapshot);
  const printed = toPlain(schema, snapshot);
  const { value: again, faults } = decodeConfig(JSON.parse(JSON.stringify(printed)));
  if (again === undefined) throw new Error(`expected what is printed to be right, found ${JSON.stringify(faults)}`);
  if (!isDeepStrictEqual(valuesOf(again), valuesOf(snapshot))) {
    throw new Error(`expected the same again, found ${JSON.stringify(valuesOf(again))} of ${JSON.stringify(printed)}`);
  }
  for (const [name, { value }] of snapshot.listeners) {
    if (value.name !== name) throw new Error(`expected ${name} under its name, found ${value.name}`);
  }
}

function valuesOf({ admin, listeners, clusters, rulelists, rules, routes }: ConfigSnapshot): unknown {
  const plain = Object.entries({ listeners, clusters, rulelists, rules, routes }).map(([list, named]) => [
    list,
    [...(named as ReadonlyMap<string, { value: unknown }>).values()].map(({ value }) => value),
  ]);
  return JSON.parse(JSON.stringify({ admin, ...Object.fromEntries(plain) })) as unknown;
}
