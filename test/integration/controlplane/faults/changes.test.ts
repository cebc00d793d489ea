/** Configuration changes all the time, and no session that a change doesn't touch loses a byte. */
import { expect } from 'chai';
import { clusterObject, configService, listenerObject } from '../../../support/config-service.ts';
import { ControlPlaneProcess } from '../../../support/control-plane-process.ts';
import { echoServers, type LoadProtocol, useOnce, useSession } from '../../../support/echo-load.ts';
import { faultMs } from '../../../support/fault-time.ts';
import { closers } from '../../../support/grpc.ts';
import { startProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';

const TIME = faultMs(6000);
const CHANGES = 200;

describe('configuration that changes under load', function () {
  // So many changes take more than half a minute where others want the processors, too.
  this.timeout(TIME + 120_000);
  const cleanup = closers();
  afterEach(() => cleanup.run());

  it('breaks no session and loses no packet', async () => {
    const backends = await echoServers(cleanup);
    const plane = await ControlPlaneProcess.start();
    cleanup.add(() => plane.stop());
    const service = configService(plane.address, cleanup);
    const protocols: readonly LoadProtocol[] = ['UDP', 'TCP', 'WebSocket'];
    await service.apply(
      clusterObject('udp', 'UDP', backends.udp),
      clusterObject('tcp', 'TCP', backends.tcp),
      clusterObject('first', 'UDP', backends.udp),
      listenerObject('moving', 'UDP', 'first'),
      ...protocols.map((each) => listenerObject(each, each, each === 'UDP' ? 'udp' : 'tcp')),
    );
    const proxy = await startProxy({}, { controlPlane: { servers: [plane.address] } });
    cleanup.add(() => proxy.close());
    for (const name of [...protocols, 'moving']) await until(name, () => proxy.proxy.addressOf(name));

    const sessions = await Promise.all(
      protocols.flatMap((each) => [useSession(each, proxy.port(each)), useSession(each, proxy.port(each))]),
    );
    const changed = new AbortController();
    // Where the test fails as well: without a proxy, sessions would be opened in vain for ever.
    cleanup.add(() => changed.abort());
    let fresh = 0;
    const faults: string[] = [];
    // The listener stays, its sessions' cluster changes: each new session needs one that is there.
    const newSessions = (async () => {
      for (; !changed.signal.aborted; fresh++) {
        await useOnce('UDP', proxy.port('moving')).catch((error: unknown) => faults.push(String(error)));
      }
    })();

    const end = Date.now() + TIME;
    let last = 'first';
    let changes = 0;
    for (; changes < CHANGES || Date.now() < end; changes += 2) {
      const next = `to-${changes}`;
      await service.apply(
        clusterObject(next, 'UDP', backends.udp),
        listenerObject('moving', 'UDP', next),
        listenerObject(`beside-${changes % 6}`, 'TCP', 'tcp'),
        clusterObject('beside', 'TCP', 1 + (changes % 60_000)),
      );
      await service.delete({ kind: 'Cluster', name: last });
      last = next;
    }
    await until('the last change', () => proxy.proxy.snapshot.clusters.has(last));
    changed.abort();
    await newSessions;
    await Promise.all(sessions.map((each) => each.end()));
    expect(sessions.map(({ fault }) => fault)).to.deep.equal(sessions.map(() => undefined));
    expect(faults).to.deep.equal([]);
    for (const { count } of sessions) expect(count).to.be.greaterThan(20);
    expect(fresh).to.be.greaterThan(20);
    const wanted = ['beside', last, 'tcp', 'udp'].sort().join();
    const held = (): string => [...proxy.proxy.snapshot.clusters.keys()].sort().join();
    await until('no clusters but those of the end', () => held() === wanted).catch(() =>
      expect(held()).to.equal(wanted),
    );
  });
});
