/** Configuration objects as bytes: what is decoded from them is what was encoded. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Kind } from '../../../config/snapshot.ts';
import { decodeConfig, decodeHandedOut, decodeObject, emptySnapshot } from '../../../config/decode.ts';
import { parseText } from '../../../config/parse.ts';
import { decodeBytes, encodeObject } from '../../../config/wire.ts';
import { kindOf, typeUrlOf, WIRE_KINDS } from '../../../config/wire-kinds.ts';

describe('configuration objects on the wire', () => {
  async function everyObject(): Promise<[Kind, object][]> {
    const config = decodeConfig((await parseText(readFileSync('examples/quick-start.yaml', 'utf8'))).raw);
    const more = decodeConfig({
      listeners: [
        {
          name: 'j',
          spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'UDP', port: 1 } },
          rules: [
            {
              match: {
                op: 'or',
                apply: [
                  { op: 'test', path: '/a', value: null },
                  { op: 'in', path: '/b', value: [1, 'x', false] },
                ],
              },
              action: {
                rewrite: [{ path: '/a', value: { b: [0] } }],
                route: { destinations: [{ cluster: 'x', weight: 0 }, { cluster: 'y' }] },
              },
            },
          ],
        },
      ],
      clusters: [
        { name: 'x', spec: { protocol: 'TCP' }, health_check: { healthy_threshold: 2 }, discovery: 'somewhere' },
      ],
    });
    const objects: [Kind, object][] = [];
    for (const { value, faults } of [config, more]) {
      expect(faults).to.deep.equal([]);
      if (value === undefined) continue;
      const { listeners, clusters, rulelists, rules, routes } = value;
      const kinds = { Listener: listeners, Cluster: clusters, RuleList: rulelists, Rule: rules, Route: routes };
      for (const [kind, all] of Object.entries(kinds)) {
        for (const each of all.values()) objects.push([kind as Kind, each.value]);
      }
    }
    return objects;
  }

  it('decode to what was encoded', async () => {
    const objects = await everyObject();
    expect(new Set(objects.map(([kind]) => kind)).size).to.equal(5);
    for (const [kind, value] of objects) {
      const raw = decodeBytes(kind, encodeObject(kind, value));
      const decoded = decodeObject(kind, raw, emptySnapshot());
      expect(decoded.faults).to.deep.equal([]);
      const lists = {
        Listener: 'listeners',
        Cluster: 'clusters',
        RuleList: 'rulelists',
        Rule: 'rules',
        Route: 'routes',
      } as const;
      expect(decoded.value?.objects[lists[kind]].get(decoded.value.name)?.value).to.deep.equal(value);
    }
  });

  it('name the endpoints of load assignments as those of their cluster', () => {
    const raw = { name: 'c', endpoints: ['10.0.0.1:5', { spec: { address: '::1' }, weight: 3 }] };
    const { value } = decodeHandedOut('ClusterLoadAssignment', raw);
    expect(value?.endpoints.map(({ name }) => name)).to.deep.equal(['c-EndPoint-1', 'c-EndPoint-2']);
    const again = decodeHandedOut(
      'ClusterLoadAssignment',
      decodeBytes('ClusterLoadAssignment', encodeObject('ClusterLoadAssignment', value ?? {})),
    );
    expect(again.value).to.deep.equal(value);
  });

  it('have type URLs', () => {
    for (const kind of WIRE_KINDS) expect(kindOf(typeUrlOf(kind))).to.equal(kind);
    expect(typeUrlOf('Route')).to.equal('type.googleapis.com/l7mp.config.v1.Route');
    expect(kindOf('type.googleapis.com/envoy.config.route.v3.RouteConfiguration')).to.equal(undefined);
  });

  it('have numbers that are 0, though other encoders leave them out', () => {
    // Listener {name: "l", spec: {tcp: {}}, rules: "r"}
    const bytes = Buffer.from('0a016c120212001a0172', 'hex');
    const raw = decodeBytes('Listener', bytes);
    expect(raw).to.deep.equal({ name: 'l', spec: { protocol: 'TCP', port: 0 }, rules: 'r' });
    expect(decodeBytes('Listener', encodeObject('Listener', raw))).to.deep.equal(raw);
  });

  it('refuse bytes that are no message', () => {
    expect(() => decodeBytes('Route', Buffer.from([0xff, 0xff, 0xff]))).to.throw();
  });
});
