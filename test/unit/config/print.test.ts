import { expect } from 'chai';
import { decodeConfig } from '../../../config/decode.ts';
import { toPlain } from '../../../config/print.ts';
import { schema } from '../../../gen/l7mp/config/v1/schema.ts';

/** A configuration, decoded and printed. */
function printed(config: object): Record<string, unknown> {
  const { value } = decodeConfig(config);
  if (value === undefined) throw new Error('expected no faults');
  return toPlain(schema, value);
}

describe('Printing a configuration', () => {
  const kept: Record<string, [list: string, object: object]> = {
    'nothing that is default': ['clusters', { name: 'c', spec: { protocol: 'Echo' } }],
    'a zero where the default is another number': [
      'routes',
      { name: 'r', destination: 'c', timeouts: { half_close: 0 } },
    ],
    'a false where the default is true': ['clusters', { name: 'c', spec: { protocol: 'TCP', no_delay: false } }],
    'a zero that says something else than absence': [
      'listeners',
      { name: 'l', spec: { protocol: 'UDP', port: 1 }, rules: 'x', options: { idle_timeout: 0 } },
    ],
    'whatever a rewrite writes': [
      'rules',
      {
        name: 'r',
        match: { op: 'test', path: '/a', value: 0 },
        action: {
          rewrite: [0, false, '', null, [], {}].map((value) => ({ path: '/a', value })).concat({ path: '/b' } as never),
          route: 'x',
        },
      },
    ],
    'names, maps and lists': [
      'clusters',
      {
        name: 'c',
        spec: { protocol: 'StdioFork', command: 'cat', args: ['-u'], env: { A: 'b' } },
        endpoints: [{ name: 'e', spec: { address: '::1' }, weight: 2 }],
      },
    ],
  };
  for (const [what, [list, object]] of Object.entries(kept)) {
    it(`keeps ${what}`, () => {
      expect(printed({ [list]: [object] })[list]).to.deep.equal([object]);
    });
  }

  it('gives names to what is written in other objects', () => {
    const destination = { spec: { protocol: 'Echo' } };
    expect(printed({ routes: [{ name: 'r', destination }] })).to.deep.include({
      routes: [{ name: 'r', destination: 'r-Cluster-1' }],
      clusters: [{ name: 'r-Cluster-1', spec: { protocol: 'Echo' } }],
    });
  });
});
