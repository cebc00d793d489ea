/** Whatever fails around a control plane: no route is lost, and statuses are true soon after. */
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Asking, ask } from '../../../support/asking.ts';
import type { ControlPlaneProcess, LoggingProcess } from '../../../support/control-plane-process.ts';
import { CutProxy } from '../../../support/cut-proxy.ts';
import { Etcd } from '../../../support/etcd.ts';
import { freePort } from '../../../support/free-port.ts';
import { ConditionLog } from '../../../support/kubernetes/condition-log.ts';
import { KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

/** How soon after the last fault and change all is as it should be, in ms. */
const CALM = 5000;
/** How soon another replica leads after one that was killed, in ms: the lease of etcd, and some. */
const LEASE = 15_000;

describe('kubernetes: faults around the control plane', function () {
  this.timeout(120_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  let rig: KubeControlPlane;
  let ports: { one: number; two: number };
  let port: number;
  let proxy: LoggingProcess;
  let asking: Asking;

  before(() => kube().installCrds('k8s/crds'));

  const start = async (options: object): Promise<void> => {
    rig = await KubeControlPlane.start(kube(), options);
    ports = { one: await rig.server('one'), two: await rig.server('two') };
    port = await freePort();
    await rig.service('still', ports.one);
    await rig.service('busy', ports.one);
    await rig.gateway('web', port);
    await rig.route('still', 'web', '/still', 'still');
    await rig.route('busy', 'web', '/busy', 'busy');
  };
  const serve = async (...args: readonly string[]): Promise<void> => {
    proxy = rig.proxyOf('web', 'p1', ...args);
    await says('/still', 'one');
    await told(CALM);
  };
  const stop = async (): Promise<void> => {
    await proxy.stop();
    await rig.stop();
  };

  const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
  const says = (path: string, text: string, limitMs?: number): Promise<unknown> =>
    until(`"${text}" of ${path}`, async () => (await ask(url(path)).catch(() => '')) === text, limitMs);
  const told = async (limitMs: number): Promise<void> => {
    const wanted = { status: 'True', message: '1 of 1 proxies' } as const;
    await rig.untilTold('Gateway', 'web', 'Programmed', wanted, limitMs);
    for (const route of ['still', 'busy']) {
      for (const type of ['Accepted', 'ResolvedRefs'])
        await rig.untilTold('HTTPRoute', route, type, { status: 'True' }, limitMs);
    }
  };
  /**
   * Starts the control plane anew. The fault is over where the proxy is back: it asks at times of its own, which are the
   * further apart the longer nobody answers.
   */
  const restart = async (...args: readonly string[]): Promise<void> => {
    const connections = (): number => proxy.log().filter(({ msg }) => msg === 'connected to the control plane').length;
    const before = connections();
    await rig.controlPlane.restart(...rig.args, ...args);
    await until('the proxy to be back', () => connections() > before);
  };
  let number = 0;
  /** Changes beside the route that stays: another path, another endpoint. Gives the path. */
  const change = async (): Promise<string> => {
    const path = `/busy-${++number}`;
    await rig.endpoints('busy', number % 2 === 0 ? ports.one : ports.two);
    await rig.route('busy', 'web', path, 'busy');
    return path;
  };
  /** Changes once more; all is as it says soon. */
  const settles = async (limitMs = CALM): Promise<void> => {
    const path = await change();
    await says(path, number % 2 === 0 ? 'one' : 'two', limitMs);
    await told(limitMs);
  };

  beforeEach(() => {
    asking = new Asking(url('/still'), 'one');
  });
  afterEach(async () => {
    await asking.stop();
    expect(asking.faults).to.deep.equal([]);
    expect(asking.answers).to.be.above(0);
  });

  describe('one control plane', () => {
    before(async () => {
      await start({});
      await serve();
    });
    after(stop);

    it('outlives a restart of the API server', async () => {
      await kube().apiServer.restart();
      await settles();
    });

    it('outlives the death of the API server while there are changes', async () => {
      const changing = (async () => {
        for (let round = 0; round < 1000; round++) await change();
      })().catch(() => undefined);
      const before = number;
      await until('some changes', () => number > before + 5);
      await kube().apiServer.kill();
      await changing;
      await kube().apiServer.start();
      await settles();
    });

    it('outlives an API server that answers nothing for a while', async () => {
      kube().apiServer.pause();
      await until('some requests', () => asking.answers > 200);
      kube().apiServer.resume();
      await settles();
    });

    it('outlives connections that are cut all the time', async () => {
      const between = await CutProxy.start(Number(new URL(kube().url).port));
      const kubeconfig = join(kube().directory, 'between.kubeconfig');
      const text = readFileSync(kube().kubeconfig, 'utf8');
      writeFileSync(kubeconfig, text.replace(kube().url, `https://127.0.0.1:${between.port}`));
      await restart('--kubeconfig', kubeconfig);
      for (let round = 0; round < 30; round++) {
        await change();
        between.cut();
      }
      await settles();
      await restart();
      await between.stop();
    });

    it('has another endpoint’s slice go that was there before it started', async () => {
      await restart();
      await told(CALM);
      await rig.remove('EndpointSlice', 'busy');
      await until('no endpoint', async () => (await ask(url(`/busy-${number}`))).startsWith('503'));
      await settles();
    });

    it('starts anew without a status that is less than before', async () => {
      const accepted = async (): Promise<string> => {
        const { status } = (await rig.read('Gateway', 'web'))!;
        return status?.conditions?.find(({ type }) => type === 'Accepted')?.lastTransitionTime ?? '';
      };
      const before = await accepted();
      await until('another second', () => Date.now() - Date.parse(before) > 2000);
      const log = await ConditionLog.start(kube(), rig.namespace, 'gateway/web', 'Programmed', '.status.conditions');
      try {
        await restart();
        await settles();
        expect(await accepted()).to.equal(before);
        expect(log.told).to.deep.equal(['True Programmed: 1 of 1 proxies']);
      } finally {
        await log.stop();
      }
    });

    it('tells the truth of proxies that come at about the same time while there are changes', async () => {
      for (let round = 0; round < 5; round++) {
        if (round % 2 === 0) await restart();
        // It can't have the port that the first has, but takes all objects.
        const second = rig.proxyOf('web', `second-${round}`);
        for (let times = 0; times < 5; times++) await change();
        await second.logged('connected to the control plane');
        const ended = await change();
        await until(
          '2 of 2 proxies',
          async () => (await rig.condition('Gateway', 'web', 'Programmed'))?.message.startsWith('2 of 2 proxies'),
          2 * CALM,
        );
        await says(ended, number % 2 === 0 ? 'one' : 'two');
        await second.stop();
        await told(CALM);
      }
    });
  });

  describe('two control planes', () => {
    let etcd: Etcd;
    let other: ControlPlaneProcess;

    before(async () => {
      etcd = await Etcd.start();
      await start({ args: ['--store', `etcd://${etcd.address}/l7mp`] });
      other = await rig.addReplica();
      await serve('--controlplane', `${rig.controlPlane.address},${other.address}`);
    });
    after(async () => {
      await stop();
      await etcd.stop();
    });

    const leads = async ({ http }: ControlPlaneProcess): Promise<boolean> => {
      const response = await fetch(`${http}/metrics`, { headers: { connection: 'close' } });
      return /^l7mp_controlplane_leader(?:\{.*\})? 1$/mu.test(await response.text());
    };

    it('lead one at a time, and the other goes on when the leader is killed', async () => {
      expect([await leads(rig.controlPlane), await leads(other)]).to.deep.equal([true, false]);
      const changing = (async () => {
        for (let round = 0; round < 30; round++) await change();
      })();
      await rig.controlPlane.process.stop();
      await changing;
      const path = await change();
      await says(path, number % 2 === 0 ? 'one' : 'two', CALM);
      await until('the other to lead', () => leads(other), LEASE);
      await settles();
      await rig.controlPlane.restart(...rig.args);
      await settles();
      expect([await leads(rig.controlPlane), await leads(other)]).to.deep.equal([false, true]);
    });
  });
});
