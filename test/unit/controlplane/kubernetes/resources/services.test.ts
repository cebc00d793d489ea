/** What a Service is spoken to as, by its ports and the one that is wanted. */
import { expect } from 'chai';
import type { ServiceSpec } from '../../../../../controlplane/kubernetes/api/core-kinds.ts';
import { withoutPolicies } from '../../../../../controlplane/kubernetes/api/policies.ts';
import { clusterOfService } from '../../../../../controlplane/kubernetes/resources/services.ts';

const TABLE: readonly [spec: ServiceSpec, wanted: string | undefined, gives: string | object][] = [
  [{ ports: [{ port: 80 }] }, undefined, { protocol: 'TCP' }],
  [{ ports: [{ port: 80 }] }, '80', { protocol: 'TCP' }],
  [{ ports: [{ name: 'web', port: 80 }] }, 'web', { protocol: 'TCP' }],
  [{ ports: [{ port: 80 }] }, '81', 'RefNotFound'],
  [{ ports: [{ port: 80, appProtocol: 'http' }] }, undefined, { protocol: 'HTTP' }],
  [{ ports: [{ port: 80, appProtocol: 'https' }] }, undefined, { protocol: 'HTTP', tls: {} }],
  [{ ports: [{ port: 80, appProtocol: 'kubernetes.io/h2c' }] }, undefined, { protocol: 'HTTP', version: '2' }],
  [{ ports: [{ port: 80, appProtocol: 'kubernetes.io/wss' }] }, undefined, { protocol: 'WebSocket', tls: {} }],
  [{ ports: [{ port: 80, appProtocol: 'mysql' }] }, undefined, { protocol: 'TCP' }],
  [{ ports: [{ port: 80, appProtocol: 'l7mp.io/WebSocket' }] }, undefined, { protocol: 'WebSocket' }],
  [{ ports: [{ port: 80, appProtocol: 'l7mp.io/Carrier' }] }, undefined, 'UnsupportedProtocol'],
  [{ ports: [{ port: 80, appProtocol: 'http', protocol: 'UDP' }] }, undefined, 'UnsupportedProtocol'],
  [{ ports: [{ port: 80, protocol: 'SCTP' }] }, undefined, { protocol: 'SCTP' }],
  [
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    },
    undefined,
    'PortRequired',
  ],
  [
    {
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    },
    '53',
    'PortRequired',
  ],
  [
    {
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    },
    'b',
    { protocol: 'UDP' },
  ],
  [{ type: 'ExternalName', externalName: 'a.example' }, '443', { protocol: 'TCP' }],
  [{ type: 'ExternalName', externalName: 'a.example' }, undefined, 'PortRequired'],
  [{ type: 'ExternalName', externalName: 'a.example' }, '70000', 'RefNotFound'],
];

describe('clusters of Services', () => {
  for (const [spec, wanted, gives] of TABLE) {
    it(`are ${JSON.stringify(gives)} for ${JSON.stringify(spec)} and ${wanted ?? 'no port'}`, () => {
      const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'n' }, spec };
      const derived = clusterOfService(service, wanted, withoutPolicies);
      expect(derived.fault?.reason ?? derived.spec?.['spec']).to.deep.equal(gives);
    });
  }
});
