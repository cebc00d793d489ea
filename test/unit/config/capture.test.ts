/** What is said of capturing has to fit together. */
import { expect } from 'chai';
import { formatFault } from '../../../common/errors.ts';
import { decodeConfig } from '../../../config/decode.ts';

const faultsOf = (config: unknown): string[] => decodeConfig(config).faults.map(formatFault);
const rules = [{ action: { route: { destination: 'c' } } }];

describe('a configuration that captures', () => {
  it('is taken with all that may be said', () => {
    const faults = faultsOf({
      admin: {
        capture: {
          outbound: { ports: ['80', 443, '*/udp'], exclude_cidrs: ['10.0.0.0/8', '::1'], exclude_uids: [1337] },
          inbound: { exclude_ports: ['22/tcp'] },
          interfaces: ['eth0'],
        },
      },
      listeners: [
        { name: 'a', spec: { protocol: 'TCP', port: 1, captured: 'outbound' }, rules },
        { name: 'b', spec: { protocol: 'UDP', address: '::', port: 1, captured: 'inbound' }, rules },
        {
          name: 'c',
          spec: {
            ...{ protocol: 'HTTP', address: '::', port: 1, captured: 'outbound' },
            captured_destinations: ['10.96.0.10:80', '[fd00::10]:80'],
          },
          rules,
        },
      ],
      clusters: [{ name: 'c', spec: { protocol: 'TCP' }, original_destination: true }],
    });
    expect(faults).to.deep.equal([]);
  });

  it('is refused with all that is wrong', () => {
    const faults = faultsOf({
      admin: { capture: { outbound: { ports: ['80-'], exclude_cidrs: ['10.0.0.0/33'], exclude_uids: [-1] } } },
      listeners: [
        { name: 'a', spec: { protocol: 'TCP', address: '127.0.0.1', port: 1, captured: 'outbound' }, rules },
        { name: 'b', spec: { protocol: 'UDP', port: 1, captured: 'both' }, rules },
        {
          name: 'd',
          spec: { protocol: 'UDP', port: 1, captured: 'inbound', connect: { port: 5 }, options: { mode: 'singleton' } },
          rules,
        },
        {
          name: 'f',
          spec: { protocol: 'TCP', port: 1, captured_destinations: ['10.96.0.10', '[::1]:0', '10.96.0.10:80'] },
          rules,
        },
        {
          name: 'g',
          spec: { protocol: 'TCP', port: 1, captured: 'outbound', captured_destinations: ['[fd00::1]:80'] },
          rules,
        },
      ],
      clusters: [
        {
          name: 'c',
          spec: { protocol: 'TCP' },
          original_destination: true,
          endpoints: ['10.0.0.1:1'],
          health_check: {},
        },
        { name: 'e', spec: { protocol: 'Echo' }, original_destination: true },
      ],
    });
    expect(faults).to.have.members([
      'admin.capture.outbound.ports[0]: expected ports, as in 80, 8000-8999, 53/udp or */tcp, found "80-"',
      'admin.capture.outbound.exclude_cidrs[0]: expected a network, as in 10.0.0.0/8 or fd00::/8, found "10.0.0.0/33"',
      'admin.capture.outbound.exclude_uids[0]: expected a whole number from 0 to 4294967294, found -1',
      'listeners[0].spec.address: expected 0.0.0.0 or ::, as with captured, found "127.0.0.1"',
      'listeners[1].spec.captured: expected one of outbound, inbound, found "both"',
      'listeners[2].spec.connect: expected nothing beside captured, found a peer',
      'listeners[2].spec.options.mode: expected server, as with captured, found singleton',
      'listeners[3].spec.captured_destinations[0]: expected an IP address with a port, as in 10.0.0.1:80 or [fd00::1]:80, found "10.96.0.10"',
      'listeners[3].spec.captured_destinations[1]: expected an IP address with a port, as in 10.0.0.1:80 or [fd00::1]:80, found "[::1]:0"',
      'listeners[3].spec.captured: expected outbound or inbound, as there are destinations, found nothing',
      'listeners[4].spec.address: expected ::, as there are destinations of IPv6, found "0.0.0.0"',
      'clusters[0].endpoints: expected none, as original_destination says where sessions go, found some',
      'clusters[0].health_check: expected none, as original_destination says where sessions go, found one',
      'clusters[1].original_destination: expected a protocol with ports, found Echo',
    ]);
  });
});
