import { expect } from 'chai';
import fc from 'fast-check';
import { emptySnapshot } from '../../../../../config/decode.ts';
import { assignmentOf, type ServicePortRef } from '../../../../../controlplane/kubernetes/endpoints/assignment.ts';
import type { EndpointSlice, Service, SliceEndpoint } from '../../../../../controlplane/kubernetes/api/core-kinds.ts';
import { checkEnvelope, decodeContent } from '../../../../../controlplane/model/decode-content.ts';

const ref: ServicePortRef = { namespace: 'shop', service: 'web', port: 80, protocol: 'TCP' };

function service(spec: Service['spec'] = {}): Service {
  const metadata = { name: 'web', namespace: 'shop' };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'http', port: 80 }], ...spec } };
}

function slice(endpoints: readonly SliceEndpoint[], over: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop' },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints,
    ...over,
  };
}

function addresses(of: Service | undefined, slices: readonly EndpointSlice[], port: ServicePortRef = ref): string[] {
  const content = assignmentOf(port, of, slices);
  expect(checkEnvelope(content)).to.deep.equal([]);
  expect(decodeContent(content, emptySnapshot()).faults).to.deep.equal([]);
  return (content.spec!['endpoints'] as { name: string }[]).map(({ name }) => name);
}

const at = (address: string, conditions?: SliceEndpoint['conditions']): SliceEndpoint => ({
  addresses: [address],
  ...(conditions && { conditions }),
});

describe('controlplane/kubernetes/endpoints/assignment', () => {
  it('has those that are ready, also where it is not said, under the name of the port', () => {
    const content = assignmentOf(ref, service(), [slice([at('10.0.0.2'), at('10.0.0.1', { ready: true })])]);
    expect(content).to.deep.equal({
      key: { kind: 'ClusterLoadAssignment', name: 'service/shop/web/80/tcp' },
      labels: {},
      spec: {
        endpoints: [
          { name: '10.0.0.1:8080', spec: { address: '10.0.0.1', port: 8080 } },
          { name: '10.0.0.2:8080', spec: { address: '10.0.0.2', port: 8080 } },
        ],
      },
    });
  });

  it('has those that serve while they terminate only if no other is ready', () => {
    const leaving = at('10.0.0.1', { ready: false, serving: true, terminating: true });
    const dead = at('10.0.0.3', { ready: false, serving: false, terminating: true });
    const starting = at('10.0.0.4', { ready: false });
    const notReady = at('10.0.0.5', { ready: false, serving: true });
    expect(addresses(service(), [slice([leaving, dead, starting, at('10.0.0.2')])])).to.deep.equal(['10.0.0.2:8080']);
    const rest = [slice([leaving, dead]), slice([starting, notReady])];
    expect(addresses(service(), rest)).to.deep.equal(['10.0.0.1:8080']);
    expect(addresses(service(), [slice([dead, starting])])).to.deep.equal([]);
  });

  it('has one that stands in two slices once, and ready if it is in either', () => {
    const gone = slice([at('10.0.0.1', { ready: false, serving: true, terminating: true })]);
    const ready = slice([at('10.0.0.1'), at('10.0.0.2')]);
    expect(addresses(service(), [gone, ready])).to.deep.equal(['10.0.0.1:8080', '10.0.0.2:8080']);
    expect(addresses(service(), [ready, gone])).to.deep.equal(['10.0.0.1:8080', '10.0.0.2:8080']);
  });

  it('follows named target ports, whose number may be another in each slice', () => {
    const other = slice([at('10.0.0.2')], { ports: [{ name: 'http', protocol: 'TCP', port: 9090 }] });
    const named = service({ ports: [{ name: 'http', port: 80, targetPort: 'web' }] });
    expect(addresses(named, [slice([at('10.0.0.1')]), other])).to.deep.equal(['10.0.0.1:8080', '10.0.0.2:9090']);
  });

  it('tells ports apart by number and protocol', () => {
    const dns = service({
      ports: [
        { name: 'tcp', port: 53, protocol: 'TCP' },
        { name: 'udp', port: 53, protocol: 'UDP' },
      ],
    });
    const ports = [
      { name: 'tcp', protocol: 'TCP', port: 5353 },
      { name: 'udp', protocol: 'UDP', port: 5354 },
    ] as const;
    const of = (protocol: 'TCP' | 'UDP' | 'SCTP'): string[] =>
      addresses(dns, [slice([at('10.0.0.1')], { ports })], { ...ref, port: 53, protocol });
    expect(of('TCP')).to.deep.equal(['10.0.0.1:5353']);
    expect(of('UDP')).to.deep.equal(['10.0.0.1:5354']);
    expect(of('SCTP')).to.deep.equal([]);
  });

  it('takes the family that the service prefers, and the other where that has none', () => {
    const six = slice([at('fd00::1')], { addressType: 'IPv6' });
    const four = slice([at('10.0.0.1')]);
    expect(addresses(service({ ipFamilies: ['IPv6', 'IPv4'] }), [four, six])).to.deep.equal(['[fd00::1]:8080']);
    expect(addresses(service({ ipFamilies: ['IPv4', 'IPv6'] }), [six, four])).to.deep.equal(['10.0.0.1:8080']);
    const unready = slice([at('10.0.0.1', { ready: false })]);
    expect(addresses(service({ ipFamilies: ['IPv4', 'IPv6'] }), [six, unready])).to.deep.equal(['[fd00::1]:8080']);
  });

  it('serves headless services, and ports without a name', () => {
    const headless = service({ clusterIP: 'None', ports: [{ port: 80, targetPort: 8080 }] });
    expect(addresses(headless, [slice([at('10.0.0.1')], { ports: [{ port: 8080 }] })])).to.deep.equal([
      '10.0.0.1:8080',
    ]);
    // A slice that somebody made by hand may have all ports.
    expect(addresses(headless, [slice([at('10.0.0.1')], { ports: [{}] })])).to.deep.equal(['10.0.0.1:8080']);
    expect(addresses(headless, [slice([at('10.0.0.1')], { ports: null })])).to.deep.equal([]);
  });

  it('has the DNS name of an ExternalName service at its port, whatever slices there are', () => {
    const external = service({ type: 'ExternalName', externalName: 'example.com' });
    expect(addresses(external, [slice([at('10.0.0.1')])])).to.deep.equal(['example.com:80']);
    expect(addresses(service({ type: 'ExternalName' }), [])).to.deep.equal([]);
  });

  it('has none for a service or a port that does not exist, or slices without endpoints', () => {
    expect(addresses(undefined, [slice([at('10.0.0.1')])])).to.deep.equal([]);
    expect(addresses(service(), [slice([at('10.0.0.1')])], { ...ref, port: 81 })).to.deep.equal([]);
    expect(addresses(service(), [{ ...slice([]), endpoints: null }, slice([{ addresses: [] }])])).to.deep.equal([]);
  });

  it('gives the same bytes for the same endpoints, however they are spread and ordered', () => {
    const number = fc.integer({ min: 1, max: 30 });
    fc.assert(
      fc.property(fc.uniqueArray(number, { minLength: 1 }), fc.infiniteStream(fc.nat(3)), (hosts, dealt) => {
        const endpoints = hosts.map((host) => at(`10.0.0.${host}`));
        const groups: SliceEndpoint[][] = [[], [], [], []];
        for (const endpoint of [...endpoints].reverse()) groups[dealt.next().value as number]!.push(endpoint);
        const whole = JSON.stringify(assignmentOf(ref, service(), [slice(endpoints)]));
        const spread = JSON.stringify(
          assignmentOf(
            ref,
            service(),
            groups.map((group) => slice(group)),
          ),
        );
        expect(spread).to.equal(whole);
      }),
    );
  });
});
