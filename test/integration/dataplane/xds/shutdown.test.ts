/** Control planes that shut down while there are several calls on a connection. */
import { expect } from 'chai';
import { RawControlPlane } from '../../../support/raw-control-plane.ts';
import { startProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';

describe('xDS with control planes that shut down', () => {
  // Once in some twenty times the process grew without end, inside of nghttp2, where a call was cancelled too early.
  it('keeps what it has, however often', async () => {
    for (let times = 0; times < 60; times++) {
      const plane = await RawControlPlane.start();
      const proxy = await startProxy({}, { controlPlane: { servers: [plane.address] } });
      try {
        const stream = await plane.stream();
        const cluster = { name: 'a', spec: { tcp: { port: 1 } }, endpoints: [] };
        await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', cluster] }));
        const clusters = (): string[] => [...proxy.proxy.snapshot.clusters.keys()];
        await until('a', () => clusters().includes('a'));
        plane.stop();
        await until('the end of the stream', () => stream.isOver);
        expect(clusters()).to.deep.equal(['a']);
      } finally {
        await proxy.close();
        plane.stop();
      }
    }
  });
});
