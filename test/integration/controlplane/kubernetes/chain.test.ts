/** From objects of Kubernetes to what a client gets, and back to their statuses. */
import { expect } from 'chai';
import { runCommand } from '../../../support/command.ts';
import { freePort } from '../../../support/free-port.ts';
import { KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

/** What the server says, or with what status it refuses, or curl's exit code. */
async function curl(port: number, path = '/'): Promise<string> {
  const { code, stdout } = await runCommand('curl', [
    '-s',
    '-m',
    '5',
    '-w',
    ' %{http_code}',
    `http://127.0.0.1:${port}${path}`,
  ]);
  if (code !== 0) return `curl: ${code}`;
  return stdout.endsWith(' 200') ? stdout.slice(0, -4) : stdout.slice(-3);
}

describe(`kubernetes: the control plane, with ${versionOf('curl', '--version')}`, function () {
  this.timeout(120_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  let rig: KubeControlPlane;
  let one: number;
  let two: number;

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
    [one, two] = [await rig.server('one'), await rig.server('two')];
  });
  after(() => (rig as KubeControlPlane | undefined)?.stop());

  const says = (port: number, text: string, path?: string): Promise<unknown> =>
    until(`"${text}" at port ${port}`, async () => (await curl(port, path)) === text);

  it('serves a Gateway with its routes, follows endpoints, and takes all of it away again', async () => {
    const port = await freePort();
    await rig.service('shop', one);
    await rig.gateway('web', port);
    await rig.route('shop', 'web', '/', 'shop');
    await rig.untilTold('HTTPRoute', 'shop', 'Accepted', { status: 'True' });
    await rig.untilTold('Gateway', 'web', 'Programmed', { status: 'False', message: '0 of 0 proxies' });
    const proxy = rig.proxyOf('web', 'p1');
    await says(port, 'one');
    for (const [kind, name] of [
      ['Gateway', 'web'],
      ['HTTPRoute', 'shop'],
    ] as const) {
      await rig.untilTold(kind, name, 'Accepted', { status: 'True' });
      await rig.untilTold(kind, name, 'ResolvedRefs', { status: 'True' });
    }
    await rig.untilTold('Gateway', 'web', 'Programmed', { status: 'True', message: '1 of 1 proxies' });

    await rig.endpoints('shop', two);
    await says(port, 'two');
    await rig.remove('EndpointSlice', 'shop');
    await says(port, '503');
    await rig.endpoints('shop', one);
    await says(port, 'one');

    await rig.remove('HTTPRoute', 'shop');
    await says(port, '404');
    await rig.untilTold('Gateway', 'web', 'Programmed', { status: 'True', message: '1 of 1 proxies' });
    await rig.remove('Gateway', 'web');
    await until('the listener to go', async () => (await curl(port)) === 'curl: 7');
    await until('its Deployment to go', async () => (await rig.read('Deployment', 'web-l7mp')) === undefined);
    await proxy.stop();
  });

  it('clears the statuses of routes whose Gateway is another’s from now on', async () => {
    const port = await freePort();
    await rig.service('shop', one);
    await rig.gateway('web', port);
    await rig.route('shop', 'web', '/', 'shop');
    await rig.untilTold('HTTPRoute', 'shop', 'Accepted', { status: 'True' });
    await rig.remove('Gateway', 'web');
    await until('no parents in the status', async () => {
      const { status } = (await rig.read('HTTPRoute', 'shop')) ?? {};
      return (status?.parents ?? []).length === 0;
    });
    await rig.remove('HTTPRoute', 'shop');
  });

  it('serves VirtualServices and Targets, and takes them away again', async () => {
    const port = await freePort();
    const at = (to: number): object => ({
      spec: { cluster: { spec: { TCP: { port: to } }, endpoints: [{ spec: { address: '127.0.0.1' } }] } },
    });
    await rig.apply('Target', 'origin', at(one));
    const listener = { spec: { TCP: { port } }, rules: [{ action: { route: { destination: 'origin' } } }] };
    const selector = { matchLabels: { app: 'edge' } };
    await rig.apply('VirtualService', 'web', { spec: { selector, listener } });
    await rig.untilTold('VirtualService', 'web', 'Programmed', { status: 'False', reason: 'NoProxies' });
    const proxy = rig.proxy('p2', { app: 'edge' });
    await says(port, 'one');
    for (const [kind, name] of [
      ['VirtualService', 'web'],
      ['Target', 'origin'],
    ] as const) {
      for (const type of ['Accepted', 'ResolvedRefs', 'Serving'])
        await rig.untilTold(kind, name, type, { status: 'True' });
      await rig.untilTold(kind, name, 'Programmed', { status: 'True', message: '1 of 1 proxies' });
    }
    await rig.apply('Target', 'origin', at(two));
    await says(port, 'two');
    await rig.remove('Target', 'origin');
    await rig.untilTold('VirtualService', 'web', 'ResolvedRefs', { status: 'False', reason: 'RefNotFound' });
    await rig.remove('VirtualService', 'web');
    await until('the listener to go', async () => (await curl(port)) === 'curl: 7');
    await proxy.stop();
  });

  it('ends a Session when its time is over', async () => {
    const port = await freePort();
    const proxy = rig.proxy('p3', { app: 'call' });
    const cluster = { name: 'callee', spec: { TCP: { port: one } }, endpoints: [{ spec: { address: '127.0.0.1' } }] };
    const listener = {
      ...{ name: 'media', spec: { TCP: { port } } },
      rules: [{ action: { route: { destination: cluster } } }],
    };
    const selector = { matchLabels: { app: 'call' } };
    await rig.apply('Session', 'call', { spec: { ttl: '4s', selector, listeners: [listener] } });
    await says(port, 'one');
    await rig.untilTold('Session', 'call', 'Programmed', { status: 'True', message: '1 of 1 proxies' });
    await until('the listener to go', async () => (await curl(port)) === 'curl: 7');
    await until('the Session to go', async () => (await rig.read('Session', 'call')) === undefined);
    await proxy.stop();
  });

  it('has logged no fault', () => {
    const faults = rig.controlPlane.process.log().filter(({ level }) => level === 'error');
    expect(faults).to.deep.equal([]);
  });
});
