/** Routes whose parents are Services: programs that know of no proxy, in pods with a sidecar, with the chart installed. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { Condition, KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { installChart } from '../../../../support/kubernetes/chart.ts';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';
import { until } from '../../../../support/until.ts';

const SERVER = resolve('test/integration/controlplane/kubernetes/mesh/server.py');
const GATEWAY_API = 'gateway.networking.k8s.io';
const KINDS = ['httproute', 'tcproute', 'udproute', 'tlsroute', 'grpcroute'];

interface Parents {
  readonly parents?: readonly { readonly conditions: readonly Condition[] }[];
}

describe('routes of Services, for programs beside sidecars', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasNode: true, gatewayApi: 'experimental', images: {} });
  /** Of the Services; and of clients only. */
  let shop: string;
  let far: string;

  before(async function () {
    this.timeout(300_000);
    await installChart(kube());
    shop = await kube().namespace();
    far = await kube().namespace({ 'l7mp.io/inject': 'enabled' });
    await kube().apply(
      ...['one', 'two'].flatMap((name) => [server(name, shop), service(name, shop)]),
      {
        ...service('headless', shop, 'one'),
        spec: { clusterIP: 'None', selector: { app: 'one' }, ports: [{ port: 80 }] },
      },
      client('client', shop, { 'l7mp.io/inject': 'enabled' }),
      client('bare', shop),
      client('client', far),
    );
    for (const namespace of [shop, far]) {
      await kube().kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '-n', namespace, '--timeout=100s']);
    }
  });
  afterEach(async () => {
    for (const namespace of [shop, far]) await kube().kubectl(['delete', KINDS.join(), '--all', '-n', namespace]);
  });

  const run = (namespace: string, pod: string, ...command: string[]): Promise<string> =>
    kube().kubectl(['exec', '-n', namespace, pod, '-c', 'client', '--', ...command]);
  /** What a program gets, or the status of what is not 200. */
  const http = async (namespace: string, url: string, ...args: string[]): Promise<string> => {
    const text = await run(namespace, 'client', 'curl', '-sS', '-m', '5', '-w', '%{http_code}', ...args, url);
    return text.endsWith('200') ? text.slice(0, -4) : text.slice(-3);
  };
  const say = async (namespace: string, to: string): Promise<string> =>
    (await run(namespace, 'client', 'sh', '-c', `echo hello | socat -T 3 -t 3 - ${to}`)).trim();
  const becomes = (what: string, wanted: string, ask: () => Promise<string>): Promise<unknown> =>
    until(`${what} to be ${wanted}`, async () => (await ask()) === wanted);
  const parentOf = (name: string, port: number): object => ({
    group: '',
    kind: 'Service',
    name,
    namespace: shop,
    port,
  });
  const route = (kind: string, namespace: string, name: string, spec: object): object => ({
    apiVersion: `${GATEWAY_API}/v1`,
    kind,
    metadata: { name, namespace },
    spec,
  });
  const to = (name: string, port: number, weight = 1): object => ({ name, namespace: shop, port, weight });
  const conditions = async (kind: string, namespace: string, name: string): Promise<readonly Condition[]> => {
    const { status } = await kube().read<KubeObject<unknown, Parents>>(`${kind}.${GATEWAY_API}`, name, namespace);
    return status?.parents?.flatMap((parent) => parent.conditions) ?? [];
  };
  /** As in `Accepted False Conflicted`. */
  const told = async (kind: string, namespace: string, name: string): Promise<string[]> =>
    (await conditions(kind, namespace, name)).map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  const addressesOf = async (name: string): Promise<string[]> =>
    (await kube().read<{ spec: { clusterIPs: string[] } }>('service', name, shop)).spec.clusterIPs;
  const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

  it('split and match HTTP for all clients in the mesh, over IPv4 and IPv6, and for nobody else', async () => {
    expect(await http(far, `http://one.${shop}/`), 'without a route').to.equal('one');
    const rules = [
      { matches: [{ headers: [{ name: 'x-version', value: '2' }] }], backendRefs: [to('two', 80)] },
      { matches: [{ path: { value: '/both' } }], backendRefs: [to('one', 80, 9), to('two', 80, 1)] },
    ];
    await kube().apply(route('HTTPRoute', shop, 'split', { parentRefs: [parentOf('one', 80)], rules }));
    for (const namespace of [shop, far]) {
      await becomes('what has no rule', '404', () => http(namespace, `http://one.${shop}/`));
      expect(await http(namespace, `http://one.${shop}/`, '-H', 'x-version: 2')).to.equal('two');
    }
    const [four = '', six = '', ...more] = await addressesOf('one');
    expect([six.includes(':'), more]).to.deep.equal([true, []]);
    for (const address of [four, six]) {
      expect(await http(shop, `http://${inUrl(address)}/`)).to.equal('404');
      expect(await http(shop, `http://${inUrl(address)}/`, '-H', 'x-version: 2')).to.equal('two');
    }
    const answers = (await run(shop, 'client', 'curl', '-sS', '--fail', `http://one/both?[1-200]`)).trim().split('\n');
    expect(answers).to.have.length(200);
    expect(answers.filter((name) => name === 'two').length).to.be.within(3, 45); // a tenth, within five standard deviations
    // Other Services, and pods, are reached as ever; so is this one by who has no sidecar.
    expect(await http(shop, 'http://two/')).to.equal('two');
    expect(await run(shop, 'bare', 'curl', '-sS', '-m', '5', 'http://one/')).to.equal('one\n');
    const { status } = await kube().read<{ status: { podIP: string } }>('pod', 'one', shop);
    expect(await http(shop, `http://${status.podIP}:8080/`)).to.equal('one');

    await kube().kubectl(['delete', 'httproute', 'split', '-n', shop]);
    await becomes('the Service', 'one', () => http(far, `http://one.${shop}/`));
  });

  it('lead TCP and UDP, and leave the ports of others alone', async () => {
    const spec = (port: number, ...backendRefs: object[]): object => ({
      parentRefs: [parentOf('one', port)],
      rules: [{ backendRefs }],
    });
    await kube().apply(
      route('TCPRoute', shop, 'stream', spec(9000, to('two', 9000))),
      route('UDPRoute', shop, 'game', spec(5000, to('two', 5000))),
    );
    for (const namespace of [shop, far]) {
      for (const address of await addressesOf('one')) {
        const family = address.includes(':') ? 6 : 4;
        await becomes('a stream', 'two', () => say(namespace, `TCP${family}:${inUrl(address)}:9000`));
        await becomes('a datagram', 'two', () => say(namespace, `UDP${family}:${inUrl(address)}:5000`));
      }
      expect(await http(namespace, `http://one.${shop}/`)).to.equal('one');
    }
    await kube().apply(route('UDPRoute', shop, 'game', spec(5000, to('one', 5000), to('two', 5000))));
    const [address = ''] = await addressesOf('one');
    // Each waits for a while whether more is said: many at once, as some wait for one of two by chance.
    await until('both to have datagrams', async () => {
      const names = await Promise.all(Array.from({ length: 6 }, () => say(far, `UDP4:${address}:5000`)));
      return new Set(names).size === 2;
    });
  });

  it('of consumers are for clients of their namespace, who have nothing of the producer’s', async () => {
    await kube().apply(
      route('HTTPRoute', shop, 'producer', {
        parentRefs: [parentOf('one', 80)],
        rules: [{ matches: [{ path: { value: '/producer' } }], backendRefs: [to('one', 80)] }],
      }),
      route('HTTPRoute', far, 'consumer', {
        parentRefs: [parentOf('one', 80)],
        rules: [{ backendRefs: [to('two', 80)] }],
      }),
    );
    await becomes('the consumer’s', 'two', () => http(far, `http://one.${shop}/producer`));
    await becomes('the producer’s', '404', () => http(shop, 'http://one/'));
    expect(await http(shop, 'http://one/producer')).to.equal('one');
    await until(
      'both to be told',
      async () =>
        [...(await conditions('httproute', shop, 'producer')), ...(await conditions('httproute', far, 'consumer'))]
          .map(({ message }) => message)
          .filter((message) => message === '1 of 1 proxies' || message === '2 of 2 proxies').length === 2,
    );
    await kube().kubectl(['delete', 'httproute', 'consumer', '-n', far]);
    await becomes('the producer’s', '404', () => http(far, `http://one.${shop}/`));
  });

  it('tell whether they are in effect, and why not', async () => {
    const rules = [{ backendRefs: [to('two', 80)] }];
    const good = ['Accepted True Accepted', 'ResolvedRefs True ResolvedRefs', 'l7mp.io/Programmed True Programmed'];
    await kube().apply(
      route('HTTPRoute', shop, 'good', { parentRefs: [parentOf('one', 80)], rules }),
      route('TCPRoute', shop, 'less', { parentRefs: [parentOf('one', 80)], rules }),
      route('HTTPRoute', shop, 'headless', { parentRefs: [parentOf('headless', 80)], rules }),
      route('HTTPRoute', shop, 'lost', {
        parentRefs: [parentOf('two', 80)],
        rules: [{ backendRefs: [to('gone', 80)] }],
      }),
    );
    const tells = (kind: string, name: string, wanted: string[]): Promise<unknown> =>
      until(`${name} to tell ${wanted.join()}`, async () => (await told(kind, shop, name)).join() === wanted.join());
    await tells('httproute', 'good', good);
    await tells('tcproute', 'less', ['Accepted False Conflicted', 'ResolvedRefs True ResolvedRefs']);
    await tells('httproute', 'headless', ['Accepted False NoMatchingParent', 'ResolvedRefs True ResolvedRefs']);
    await tells('httproute', 'lost', [good[0] ?? '', 'ResolvedRefs False BackendNotFound', good[2] ?? '']);
    await becomes('what leads nowhere', '500', () => http(far, `http://two.${shop}/`));
    await kube().kubectl(['delete', 'httproute', 'good', '-n', shop]);
    await tells('tcproute', 'less', good);
  });
});

function pod(name: string, namespace: string, labels: object, container: object): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { app: name, ...labels } } },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ image: 'host', ...container }] },
  };
}

function server(name: string, namespace: string): object {
  const readinessProbe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 };
  return pod(name, namespace, {}, { name: 'server', command: ['python3', SERVER, name], readinessProbe });
}

function client(name: string, namespace: string, labels: object = {}): object {
  return pod(name, namespace, labels, { name: 'client', command: ['sleep', 'infinity'] });
}

function service(name: string, namespace: string, app = name): object {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'stream', port: 9000 },
    { name: 'game', port: 5000, protocol: 'UDP' },
  ];
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } },
    spec: { selector: { app }, ipFamilyPolicy: 'RequireDualStack', ports },
  };
}
