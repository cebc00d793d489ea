/** What Gateways need, as objects: golden files. `UPDATE=1` writes them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import type { GatewayNeeds } from '../../../../../controlplane/kubernetes/api/gateway-needs.ts';
import { gatewayWorkloadName } from '../../../../../controlplane/kubernetes/api/names.ts';
import { INFRASTRUCTURE_TYPES } from '../../../../../controlplane/kubernetes/infrastructure/kinds.ts';
import { renderGateway } from '../../../../../controlplane/kubernetes/infrastructure/render.ts';

const GOLDEN = 'test/golden/infrastructure';
const settings = {
  controlPlane: 'l7mp-controlplane.l7mp-system:1235',
  defaults: { image: 'registry.example/l7mp-proxy:1' },
};

describe('rendering gateways', () => {
  for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml'))) {
    it(`gives what ${file.replace('.in.yaml', '.out.yaml')} says`, () => {
      const needs = parse(readFileSync(`${GOLDEN}/${file}`, 'utf8')) as GatewayNeeds;
      const rendered = renderGateway(needs, settings);
      const path = `${GOLDEN}/${file.replace('.in.yaml', '.out.yaml')}`;
      const text = stringify(rendered, { lineWidth: 120, aliasDuplicateObjects: false });
      if (process.env['UPDATE']) writeFileSync(path, text);
      expect(parse(text)).to.deep.equal(parse(readFileSync(path, 'utf8')));
      for (const { kind } of rendered.objects) {
        expect(INFRASTRUCTURE_TYPES.map((type) => type.kind)).to.include(kind);
      }
    });
  }

  it('names what it makes GATEWAY-CLASS, and otherwise where no Service may be called so', () => {
    expect(gatewayWorkloadName('web', 'l7mp')).to.equal('web-l7mp');
    const names = ['web.1', 'web-1', '1st', 'x'.repeat(63)].map((name) => gatewayWorkloadName(name, 'l7mp'));
    for (const name of names) expect(name).to.match(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/u);
    expect(new Set(names).size).to.equal(names.length);
  });
});
