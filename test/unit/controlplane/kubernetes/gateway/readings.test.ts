/** Small readings: durations, label selectors, grants, protocols of backends, PEM. */
import { expect } from 'chai';
import type { ConfigMap, Secret, ServicePort } from '../../../../../controlplane/kubernetes/api/core-kinds.ts';
import type { RouteKind } from '../../../../../controlplane/kubernetes/api/gateway-kinds.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { authoritiesOf, keyPairOf } from '../../../../../controlplane/kubernetes/gateway/certificates.ts';
import { parseDuration } from '../../../../../controlplane/kubernetes/api/durations.ts';
import { readGrants } from '../../../../../controlplane/kubernetes/api/grants.ts';
import { allowsNamespace, selects } from '../../../../../controlplane/kubernetes/gateway/namespaces.ts';
import { backendProtocol } from '../../../../../controlplane/kubernetes/gateway/protocols.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';

describe('durations', () => {
  it('are sums of what GEP-2257 has, and nothing else', () => {
    const texts = ['0s', '10ms', '1h2m3s4ms', '1s500ms', '', '1', '1.5s', '1d', '-1s', '1s1s1s1s1s', '100000s'];
    const none = undefined;
    expect(texts.map(parseDuration)).to.deep.equal([0, 10, 3723004, 1500, none, none, none, none, none, none, none]);
  });
});

describe('label selectors', () => {
  it('want all that they say, and nobody where they say what is unknown', () => {
    const labels = { a: '1', b: '2' };
    const says = (operator: string, key: string, values?: string[]): boolean =>
      selects({ matchExpressions: [{ key, operator, ...(values && { values }) }] }, labels);
    expect(selects({}, labels)).to.equal(true);
    expect([
      selects({ matchLabels: { a: '1' } }, labels),
      selects({ matchLabels: { a: '1', b: '1' } }, labels),
    ]).to.deep.equal([true, false]);
    expect([says('In', 'a', ['1', '3']), says('In', 'c', [''])]).to.deep.equal([true, false]);
    expect([says('NotIn', 'a', ['1']), says('NotIn', 'c', ['1'])]).to.deep.equal([false, true]);
    expect([says('Exists', 'a'), says('DoesNotExist', 'a'), says('Exists', 'toString')]).to.deep.equal([
      true,
      false,
      false,
    ]);
    expect(says('Near', 'a', ['1'])).to.equal(false);
  });

  it('that are missing open no door', () => {
    const reader = kubeReader([]);
    const from = (of: object): boolean => allowsNamespace(reader, of, 'Same', 'home', 'other');
    expect([from({ from: 'Selector' }), from({}), from({ from: 'None' }), from({ from: 'All' })]).to.deep.equal([
      false,
      false,
      false,
      true,
    ]);
    const name = { matchLabels: { 'kubernetes.io/metadata.name': 'other' } };
    expect(from({ from: 'Selector', selector: name })).to.equal(true);
  });
});

describe('grants', () => {
  const grant = (to: object, from = {}): KubeObject => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ReferenceGrant',
    metadata: { name: 'g', namespace: 'there' },
    spec: {
      from: [{ group: 'g', kind: 'Route', namespace: 'here', ...from }],
      to: [{ group: '', kind: 'Service', ...to }],
    },
  });
  const from = { group: 'g', kind: 'Route', namespace: 'here' };
  const to = { group: '', kind: 'Service', namespace: 'there', name: 's' };
  const asked = (...grants: KubeObject[]): boolean => readGrants(kubeReader(grants))(from, to);

  it('let in whom they name, to what they name', () => {
    expect([asked(), asked(grant({})), asked(grant({ name: 's' })), asked(grant({ name: 't' }))]).to.deep.equal([
      false,
      true,
      true,
      false,
    ]);
    expect([
      asked(grant({}, { namespace: 'there' })),
      asked(grant({}, { kind: 'Other' })),
      asked(grant({ kind: 'Secret' })),
    ]).to.deep.equal([false, false, false]);
  });

  it('are not asked within a namespace', () => {
    expect(readGrants(kubeReader([]))(from, { ...to, namespace: 'here' })).to.equal(true);
  });
});

describe('protocols of backends', () => {
  const spoken = (kind: RouteKind, ...ports: Partial<ServicePort>[]): unknown => {
    const found = backendProtocol(
      kind,
      ports.map((port) => ({ port: 80, ...port })),
    );
    return typeof found === 'string' ? found : { ...found.protocol, port: found.port.protocol ?? 'TCP' };
  };
  const TCP = { name: 'TCP', port: 'TCP' };

  it('are the route’s own where a port says nothing, or what we have never heard of', () => {
    expect(spoken('HTTPRoute', {})).to.deep.equal({ name: 'HTTP', port: 'TCP' });
    expect(spoken('HTTPRoute', { appProtocol: 'mysql' })).to.deep.equal({ name: 'HTTP', port: 'TCP' });
    expect(spoken('GRPCRoute', {})).to.deep.equal({ name: 'HTTP', version: '2', port: 'TCP' });
    expect(spoken('TCPRoute', { appProtocol: 'https' })).to.deep.equal(TCP);
    expect(spoken('UDPRoute', { protocol: 'TCP' }, { protocol: 'UDP' })).to.deep.equal({ name: 'UDP', port: 'UDP' });
    expect(spoken('TCPRoute', { protocol: 'UDP' }, { protocol: 'TCP' })).to.deep.equal(TCP);
  });

  it('are those that the port names', () => {
    expect(spoken('HTTPRoute', { appProtocol: 'kubernetes.io/h2c' })).to.deep.equal({
      name: 'HTTP',
      version: '2',
      port: 'TCP',
    });
    expect(spoken('UDPRoute', { appProtocol: 'kubernetes.io/ws' })).to.deep.equal({ name: 'WebSocket', port: 'TCP' });
    expect(spoken('UDPRoute', { appProtocol: 'l7mp.io/WebSocket' })).to.deep.equal({ name: 'WebSocket', port: 'TCP' });
    expect(spoken('UDPRoute', { appProtocol: 'l7mp.io/TCP' })).to.deep.equal(TCP);
    expect(spoken('TCPRoute', { appProtocol: 'l7mp.io/UDP', protocol: 'UDP' })).to.deep.equal({
      name: 'UDP',
      port: 'UDP',
    });
    expect(spoken('HTTPRoute', { appProtocol: 'HTTPS' })).to.deep.equal({ name: 'HTTP', secure: true, port: 'TCP' });
  });

  it('that a route can not speak are said', () => {
    expect(spoken('UDPRoute', {})).to.match(/the port is TCP: its appProtocol must say/u);
    expect(spoken('UDPRoute', { appProtocol: 'http' })).to.match(/http is nothing for UDPRoutes/u);
    expect(spoken('GRPCRoute', { appProtocol: 'kubernetes.io/ws' })).to.match(/is nothing for GRPCRoutes/u);
    expect(spoken('TCPRoute', { appProtocol: 'l7mp.io/Pigeon' })).to.match(/is unknown/u);
    expect(spoken('TCPRoute', { appProtocol: 'l7mp.io/UDP' })).to.match(/not for a port of TCP/u);
  });
});

describe('PEM', () => {
  const [a, other] = readManifests('test/golden/kubernetes/gateway/tls.in.yaml').filter(
    ({ kind }) => kind === 'Secret',
  ) as Secret[];
  const secret = (data: Record<string, string>): Secret => ({ ...a!, data });
  const { 'tls.crt': crt = '', 'tls.key': key = '' } = a!.data!;

  it('of a certificate comes with its own key, and the names that it is for', () => {
    expect(keyPairOf(a!).value!.names).to.deep.equal(['a.example']);
    expect(keyPairOf(other!).value!.names).to.deep.equal(['*.b.example', 'b.example']);
    const faults = [{}, { 'tls.crt': crt }, { 'tls.crt': key, 'tls.key': key }, { 'tls.crt': crt, 'tls.key': crt }].map(
      (data) => keyPairOf(secret(data as Record<string, string>)).fault,
    );
    expect([...faults, keyPairOf(secret({ 'tls.crt': crt, 'tls.key': other!.data!['tls.key']! })).fault]).to.deep.equal(
      [
        'it has no tls.crt and no tls.key',
        'it has no tls.key',
        'tls.crt is no certificate in PEM',
        'tls.key is no private key in PEM',
        'tls.key is not the key of tls.crt',
      ],
    );
  });

  it('of authorities is what is there of certificates', () => {
    const text = Buffer.from(crt, 'base64').toString();
    const map = (ca?: string): ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm' },
      data: ca === undefined ? {} : { 'ca.crt': ca },
    });
    expect(authoritiesOf(map(`# ours\n${text}`)).value).to.equal(text);
    expect([map(), map('none'), map(text.replace('MII', 'XXX'))].map((one) => authoritiesOf(one).fault)).to.deep.equal([
      'it has no ca.crt',
      'ca.crt has no certificate in PEM',
      'ca.crt has a certificate that can not be read',
    ]);
    expect(authoritiesOf({ ...a!, data: { 'ca.crt': crt } }).value).to.equal(text);
  });
});
