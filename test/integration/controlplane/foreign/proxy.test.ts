/** Our proxy takes its configuration from go-control-plane. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { DiscoveryProcess } from '../../../support/discovery-process.ts';
import { closers } from '../../../support/grpc.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { any, typeUrl } from '../../../support/raw-control-plane.ts';
import { selfSigned } from '../../../support/self-signed.ts';
import { until } from '../../../support/until.ts';
import type { GivenResource } from '../../../support/view-server.ts';

const CLUSTER = typeUrl('Cluster');
const LISTENER = typeUrl('Listener');

function given(kind: string, message: { readonly name: string }): GivenResource {
  return { name: message.name, value: any(kind, message).value.toString('base64') };
}

const echo = (name: string): GivenResource => given('Cluster', { name, spec: { echo: {} } } as never);
/** A listener `in` at a port that the system chooses, and all that its sessions need to go to a cluster. */
async function setListener(plane: DiscoveryProcess, destination: string): Promise<void> {
  await plane.set(typeUrl('Route'), given('Route', { name: 'to', destination } as never));
  await plane.set(typeUrl('Rule'), given('Rule', { name: 'all', action: { route: 'to' } } as never));
  await plane.set(typeUrl('RuleList'), given('RuleList', { name: 'rules', rules: ['all'] } as never));
  const spec = { tcp: { address: '127.0.0.1', port: 0 } };
  await plane.set(LISTENER, given('Listener', { name: 'in', spec, rules: 'rules' } as never));
}

const AUTHORITIES = ['one.test', 'two.test'].map((name) => selfSigned(name).cert);

/** Its bytes are a message, but a cluster without a protocol is none. */
const bad = (name: string): GivenResource => given('Cluster', { name });

const SERVERS = { delta: 'go-control-plane', sotw: 'go-control-plane-sotw' } as const;

for (const variant of ['delta', 'sotw'] as const) {
  describe(`the proxy with go-control-plane (${variant})`, function () {
    this.timeout(20_000);
    const cleanup = closers();
    let plane: DiscoveryProcess;
    let proxy: TestProxy;
    const start = async (port?: number): Promise<void> => {
      plane = await DiscoveryProcess.start(SERVERS[variant], port);
      cleanup.add(() => plane.stop());
    };
    const clusters = (): string[] => [...proxy.proxy.snapshot.clusters.keys()].sort();
    const has = (...names: string[]): Promise<boolean> =>
      until(`the clusters ${names.join(', ')}`, () => clusters().join() === names.join());
    const nacks = async (): Promise<number> => (await plane.counts(CLUSTER)).nacks;

    beforeEach(async () => {
      await start();
      await plane.set(CLUSTER, echo('a'), echo('b'));
      await setListener(plane, 'a');
      const timing = { backoffBase: 20, backoffCap: 100, save: 10 };
      proxy = await startProxy({}, { controlPlane: { servers: [`127.0.0.1:${plane.port}`], timing } });
      cleanup.add(() => proxy.close());
      await has('a', 'b');
    });
    afterEach(() => cleanup.run());

    it('serves what is set, updated and removed', async () => {
      await until('the listener', () => proxy.proxy.addressOf('in'));
      const socket = connect(proxy.port('in'), '127.0.0.1');
      socket.end('hello');
      expect(await text(socket)).to.equal('hello');
      await plane.set(CLUSTER, echo('a'), echo('b'), echo('c'));
      await has('a', 'b', 'c');
      await plane.set(CLUSTER, echo('a'), echo('c'));
      await has('a', 'c');
      await until('ACKs', async () => (await plane.counts(CLUSTER)).acks >= 3);
      expect(await plane.counts(CLUSTER)).to.include({ variant, nacks: 0 });
    });

    it('keeps what a response does not hold that has only what changed', async () => {
      const kinds = ['Secret', 'RuleList', 'Rule', 'Route'] as const;
      const of = (name: string, rule = name) => ({
        Secret: given('Secret', { name, ca: AUTHORITIES[rule === name ? 0 : 1] } as never),
        RuleList: given('RuleList', { name, rules: [rule] } as never),
        Rule: given('Rule', { name, action: { route: rule } } as never),
        Route: given('Route', { name, destination: rule } as never),
      });
      const held = (): boolean[] => {
        const { handedOut, rulelists, rules, routes } = proxy.proxy.snapshot;
        return [handedOut.secrets, rulelists, rules, routes].map((each) => each.has('one') && each.has('two'));
      };
      const all = kinds.map(() => true);
      const [one, two, other] = [of('one'), of('two'), of('two', 'other')];
      for (const kind of kinds) await plane.set(typeUrl(kind), one[kind], two[kind]);
      await until('two of each', () => held().every(Boolean));
      for (const kind of kinds) {
        const { acks } = await plane.counts(typeUrl(kind));
        await plane.update(typeUrl(kind), other[kind]);
        await until(`an ACK of ${kind}`, async () => (await plane.counts(typeUrl(kind))).acks > acks);
      }
      // What comes later is live: so is all that came before.
      await plane.set(CLUSTER, echo('later'));
      await has('later');
      expect(proxy.proxy.snapshot.routes.get('two')?.value.destination).to.equal('other');
      expect(held()).to.deep.equal(all);
    });

    it('keeps what it has when its streams end, and hears of what changes later', async () => {
      await until('the listener', () => proxy.proxy.addressOf('in'));
      const requests = async (): Promise<number> => (await plane.counts(CLUSTER)).requests ?? 0;
      const before = await requests();
      await plane.endStreams();
      await until('a request of another stream', async () => (await requests()) > before);
      expect(clusters()).to.deep.equal(['a', 'b']);
      await plane.set(CLUSTER, echo('b'), echo('c'));
      await has('b', 'c');
      // Only delta has them: the two clusters of the time before.
      if (variant === 'delta') expect(await plane.counts(CLUSTER)).to.include({ initial: 2 });
    });

    it('follows a control plane that was killed and comes back with something else', async () => {
      await plane.stop();
      expect(clusters()).to.deep.equal(['a', 'b']);
      await start(plane.port);
      await plane.set(CLUSTER, echo('b'), echo('d'));
      await setListener(plane, 'b');
      await has('b', 'd');
    });

    it('refuses what is bad, takes what is good beside it, and takes it when it is good', async () => {
      await until('an ACK', async () => (await plane.counts(CLUSTER)).acks > 0);
      await plane.set(CLUSTER, bad('a'), echo('b'), echo('c'));
      await has('a', 'b', 'c');
      await until('a NACK', async () => (await nacks()) > 0);
      expect((await plane.counts(CLUSTER)).message).to.match(/\ba\b.*spec/su);
      expect(proxy.proxy.snapshot.clusters.get('a')?.value.spec.protocol, 'the last good one').to.equal('Echo');
      const { acks } = await plane.counts(CLUSTER);
      await plane.set(CLUSTER, echo('a'), echo('b'));
      await has('a', 'b');
      await until('an ACK', async () => (await plane.counts(CLUSTER)).acks > acks);
    });
  });
}
