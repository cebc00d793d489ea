import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { decodeConfig } from '../../../config/decode.ts';
import { configs } from '../../fuzz/config-values.ts';

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
    'short forms of every kind': {
      listeners: [
        { spec: { protocol: 'tcp', port: '0x50' }, rules: [{ action: { route: { cluster: 'c', ingress: 'd' } } }] },
      ],
      clusters: [
        { name: 'c', spec: 'udp', endpoints: '127.0.0.1:5000', loadbalancer: 'maglev', dns: null },
        { name: 'd', spec: { protocol: 'TCP', port: 1 }, endpoints: [{ address: '::1', port: '80', weight: 2 }] },
      ],
      rulelists: [['r']],
      rules: [{ name: 'r', match: '*', action: { apply: [] } }],
    },
    'lists that hold nothing': { listeners: null, admin: null },
    'a null where any JSON may stand': {
      rules: [{ action: { rewrite: [{ path: 'a', value: null }], route: { destination: echo } } }],
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
    'a number below the range': {
      listeners: [{ spec: 'udp://:1', rules, options: { max_sessions: -1 } }],
      clusters: [echo],
    },
    'a name of two lines': { clusters: [{ ...echo, name: 'a\nb' }] },
    'a number as a name': { clusters: [{ ...echo, name: 1 }] },
    'a required field that is null': { clusters: [{ name: 'c', spec: null }] },
    'both names of a field': { routes: [{ destination: echo, cluster: echo }] },
    'both forms of an endpoint': {
      clusters: [{ name: 'c', spec: 'udp', endpoints: [{ spec: '127.0.0.1', address: '127.0.0.1' }] }],
    },
    'a list of nothing that must hold something': {
      listeners: [
        {
          spec: { protocol: 'TLS', port: 1, tls: { cert: 'a', key: 'b', certificates: [{ server_names: [] }] } },
          rules,
        },
      ],
    },
  };
  for (const [what, config] of Object.entries(refused)) {
    it(`refuses ${what}, as the decoder does`, () => {
      expect(decodeConfig(config).faults).to.not.deep.equal([]);
      expect(validate(config)).to.equal(false);
    });
  }

  for (const manner of ['right', 'wild'] as const) {
    it(`accepts what the decoder does, of ${manner} configurations that are made up`, () => {
      const accepted = configs(manner).filter((config) => decodeConfig(config).value !== undefined);
      const property = fc.property(accepted, (config) => {
        expect(validate(config), `${JSON.stringify(config)}: ${JSON.stringify(validate.errors)}`).to.equal(true);
      });
      fc.assert(property, { numRuns: manner === 'right' ? 300 : 30 });
    });
  }
});
