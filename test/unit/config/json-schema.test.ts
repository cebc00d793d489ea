import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { decodeConfig } from '../../../dataplane/config/decode.ts';

const validate = new Ajv2020({ strict: false }).compile(
  JSON.parse(readFileSync('docs/config.schema.json', 'utf8')) as object,
);
const rules = [{ action: { route: { destination: 'c' } } }];
const echo = { name: 'c', spec: { protocol: 'Echo' } };

describe('the JSON schema of the configuration', () => {
  const accepted: Record<string, unknown> = {
    'the quick start': parse(readFileSync('examples/quick-start.yaml', 'utf8')) as unknown,
    'nothing at all': {},
    'names and objects in place': {
      listeners: [{ name: 'l', spec: { protocol: 'TCP', port: 1 }, rules: 'list' }],
      rulelists: [{ name: 'list', rules: ['r', { action: { route: 'way' } }] }],
      rules: [{ name: 'r', match: { op: 'test', path: '/IP/src_addr', value: '::1' }, action: { route: 'way' } }],
      routes: [{ name: 'way', destination: 'c' }],
      clusters: [echo],
    },
    'specs and endpoints in one line': {
      listeners: [{ name: 'l', spec: 'udp://127.0.0.1:5000', rules }],
      clusters: [{ name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: ['10.0.0.1'] }],
    },
  };
  for (const [what, config] of Object.entries(accepted)) {
    it(`accepts ${what}, as the decoder does`, () => {
      expect(decodeConfig(config).faults).to.deep.equal([]);
      expect(validate(config), JSON.stringify(validate.errors)).to.equal(true);
    });
  }

  const refused: Record<string, unknown> = {
    'an unknown list': { listerners: [] },
    'an unknown field': {
      listeners: [{ name: 'l', spec: { protocol: 'TCP', port: 1, prot: 2 }, rules }],
      clusters: [echo],
    },
    'an unknown protocol': { clusters: [{ name: 'c', spec: { protocol: 'Carrier' } }] },
    'a port above the range': { listeners: [{ spec: { protocol: 'TCP', port: 65536 }, rules }], clusters: [echo] },
    'a list that is none': { clusters: 'c' },
  };
  for (const [what, config] of Object.entries(refused)) {
    it(`refuses ${what}, as the decoder does`, () => {
      expect(decodeConfig(config).faults).to.not.deep.equal([]);
      expect(validate(config)).to.equal(false);
    });
  }
});
