/** Control planes and stores that are killed and frozen: afterwards every proxy holds what was acknowledged last. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import {
  clusterObject,
  type ConfigService,
  configService,
  type GivenObject,
  listenerObject,
} from '../../../support/config-service.ts';
import { ControlPlaneProcess } from '../../../support/control-plane-process.ts';
import { echoServers, useSession } from '../../../support/echo-load.ts';
import { Etcd } from '../../../support/etcd.ts';
import { faultMs } from '../../../support/fault-time.ts';
import { closers } from '../../../support/grpc.ts';
import { getJson } from '../../../support/http-get.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';

const TIME = faultMs(4000);
/** How many changes a control plane acknowledges before it is killed. */
const LIFE = 10;
const PROXIES = 3;
const timing = { backoffBase: 20, backoffCap: 200, keepalive: 300, keepaliveTimeout: 300, save: 10 };

describe('control planes that fail', function () {
  // Some change much in many proxies, in this process: that takes a minute where others want the processors, too.
  this.timeout(TIME + 120_000);
  const cleanup = closers();
  let plane: ControlPlaneProcess;
  let service: ConfigService;
  let proxies: TestProxy[];
  afterEach(() => cleanup.run());

  async function start(...args: readonly string[]): Promise<void> {
    plane = await ControlPlaneProcess.start(...args);
    cleanup.add(() => plane.stop());
    service = configService(plane.address, cleanup);
    proxies = [];
    for (let index = 0; index < PROXIES; index++) {
      const controlPlane = { servers: [plane.address], id: `proxy-${index}`, timing };
      const proxy = await startProxy({}, { api: true, controlPlane });
      cleanup.add(() => proxy.close());
      proxies.push(proxy);
    }
  }

  /** The one object that changes: a cluster whose port counts. */
  const count = (port: number) => service.apply(clusterObject('counter', 'TCP', port));
  const heldBy = ({ proxy }: TestProxy): unknown => {
    const spec = proxy.snapshot.clusters.get('counter')?.value.spec;
    return spec && 'port' in spec ? spec.port : undefined;
  };
  const allHold = (port: number): Promise<boolean> =>
    until(`${port} in all proxies, found ${proxies.map(heldBy).join()}`, () =>
      proxies.every((each) => heldBy(each) === port),
    );

  /** The control plane knows that proxies have it, whichever streams they took it from. */
  const knowsOf = (count: number): Promise<boolean> =>
    until(`the counter served by ${count}`, async () => {
      return (await service.status('Cluster', 'counter'))?.serving === count;
    });

  /** Applies until it is acknowledged: what was not may have been made, too. */
  async function countFor(port: number): Promise<void> {
    await until(`an acknowledgement of ${port}`, async () => {
      try {
        await count(port);
        return true;
      } catch {
        return false;
      }
    });
  }

  it('lose nothing that was acknowledged when they are killed in a loop', async () => {
    await start();
    const { tcp } = await echoServers(cleanup);
    await service.apply(clusterObject('echo', 'TCP', tcp), listenerObject('in', 'TCP', 'echo'));
    const proxy = proxies[0]!;
    await until('the listener', () => proxy.proxy.addressOf('in'));
    const session = await useSession('TCP', proxy.port('in'));
    const over = new AbortController();
    let kills = 0;
    let last = 1;
    const killer = (async () => {
      for (; !over.signal.aborted; kills++) {
        const next = last + LIFE;
        await until(`an acknowledgement of ${next - 1}`, () => last >= next || over.signal.aborted);
        await plane.restart();
      }
    })();
    const end = Date.now() + TIME;
    for (; Date.now() < end || kills < 2; last++) await countFor(last);
    over.abort();
    await killer;
    await allHold(last - 1);
    await plane.restart();
    await knowsOf(PROXIES);
    await session.end();
    expect(session.fault).to.equal(undefined);
    expect(session.count).to.be.greaterThan(20);
  });

  it('are followed again after they were frozen', async () => {
    await start();
    await countFor(1);
    await allHold(1);
    plane.process.peer.signal('SIGSTOP');
    // Half-open: connections stay, and nobody answers. The proxies notice by their keepalives.
    const lost = async (each: TestProxy): Promise<boolean> => {
      const state = await getJson<{ connected: boolean }>(`http://127.0.0.1:${each.port()}/api/v1/controlplane`);
      return !state.connected;
    };
    await until('the loss', async () => !(await Promise.all(proxies.map(lost))).includes(false));
    expect(proxies.map(heldBy)).to.deep.equal([1, 1, 1]);
    plane.process.peer.signal('SIGCONT');
    await knowsOf(PROXIES);
    await countFor(2);
    await allHold(2);
  });

  it('serve other proxies while one is frozen, and that one when it wakes', async () => {
    await start();
    const frozen = await plane.proxy('frozen');
    await countFor(1);
    frozen.peer.signal('SIGSTOP');
    // More than its connection has room for.
    for (let port = 2; port < 100; port++) await service.apply(...filling(port));
    await allHold(99);
    frozen.peer.signal('SIGCONT');
    await knowsOf(PROXIES + 1);
  });

  it('refuse changes while the disk is full, keep what they have, and go on when there is room', async () => {
    const probe = await ControlPlaneProcess.start();
    const disk = join(probe.directory, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
    cleanup.add(async () => {
      execFileSync('umount', [disk]);
      await probe.stop();
    });
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(1_500_000));
    await start('--store', `embedded:${join(disk, 'store')}`);
    await countFor(1);
    let refused: { code?: number } = {};
    let last = 1;
    for (; refused.code === undefined && last < 2000;) {
      try {
        await service.apply(...filling(last + 1));
        last++;
      } catch (error) {
        refused = error as { code?: number };
      }
    }
    expect(refused.code).to.equal(status.RESOURCE_EXHAUSTED);
    await allHold(last);
    rmSync(ballast);
    await countFor(last + 1);
    await allHold(last + 1);
  });

  it('go on with an etcd that is killed, and one that has compacted what they missed', async () => {
    const etcd = await Etcd.start();
    cleanup.add(() => etcd.stop());
    await start('--store', `etcd://${etcd.address}/test`);
    await countFor(1);
    await allHold(1);
    await etcd.kill();
    const refused = (await count(2).catch((error: unknown) => error)) as { code?: number };
    expect(refused.code).to.be.oneOf([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]);
    expect(proxies.map(heldBy)).to.deep.equal([1, 1, 1]);
    await etcd.start();
    await countFor(3);
    await allHold(3);

    const second = await ControlPlaneProcess.start('--store', `etcd://${etcd.address}/test`);
    cleanup.add(() => second.stop());
    plane.process.peer.signal('SIGSTOP');
    const other = configService(second.address, cleanup);
    let revision = 0;
    for (let port = 4; port < 20; port++) {
      ({ revision } = await other.apply(clusterObject('counter', 'TCP', port)));
    }
    await etcd.post('kv/compaction', { revision: String(revision), physical: true });
    plane.process.peer.signal('SIGCONT');
    await allHold(19);
  });
});

/** A counter, and something that takes place. */
function filling(port: number): readonly GivenObject[] {
  const endpoints = Array.from({ length: 250 }, (_, index) => ({ spec: { address: `10.0.${port % 250}.${index}` } }));
  const filler = { kind: 'Cluster', name: `filler-${port}`, spec: { spec: { protocol: 'TCP', port }, endpoints } };
  return [clusterObject('counter', 'TCP', port), filler];
}
