/** Control planes that die, freeze, or want to know who asks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { Peer } from '../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { RawControlPlane } from '../../../support/raw-control-plane.ts';
import { until } from '../../../support/until.ts';
import { selfSigned } from '../../../support/self-signed.ts';

/** A control plane in another process. */
class Plane {
  readonly peer: Peer;
  address = '';

  constructor(port = 0) {
    this.peer = new Peer(process.execPath, [
      '--import',
      'tsx',
      'test/support/raw-control-plane-process.ts',
      String(port),
    ]);
  }

  static async start(port = 0): Promise<Plane> {
    const plane = new Plane(port);
    const [, address] = await plane.peer.output(/listening (\S+)/u);
    plane.address = address ?? '';
    return plane;
  }

  async set(kind: string, message: { readonly name: string }): Promise<void> {
    this.peer.write(`${JSON.stringify([kind, message])}\n`);
    await this.peer.output(new RegExp(`set ${message.name}\\n`, 'u'));
  }
}

const echo = (name: string) => ({ name, spec: { echo: {} } });

describe('xDS with control planes that fail', () => {
  let proxy: TestProxy | undefined;
  const has = (name: string) => until(name, () => proxy?.proxy.snapshot.clusters.has(name));
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  it('goes on where a killed one is started again', async function () {
    this.timeout(20_000);
    const first = await Plane.start();
    proxy = await startProxy({}, { controlPlane: { servers: [first.address] } });
    await first.set('Cluster', echo('a'));
    await has('a');
    await first.peer.stop();
    const second = await Plane.start(Number(first.address.split(':')[1]));
    try {
      await second.set('Cluster', echo('b'));
      await has('b');
      await until('a gone: the new one does not have it', () => !proxy?.proxy.snapshot.clusters.has('a'));
    } finally {
      await second.peer.stop();
    }
  });

  it('leaves one that is frozen for another', async function () {
    this.timeout(20_000);
    const planes = [await Plane.start(), await Plane.start()];
    try {
      for (const [index, plane] of planes.entries()) await plane.set('Cluster', echo(`of-${index}`));
      const timing = { backoffBase: 20, backoffCap: 100, connect: 2000, keepalive: 200, keepaliveTimeout: 2000 };
      const servers = planes.map(({ address }) => address);
      proxy = await startProxy({}, { controlPlane: { servers, timing } });
      const index = await until('a cluster', () => {
        const found = [...(proxy?.proxy.snapshot.clusters.keys() ?? [])][0];
        return found === undefined ? undefined : Number(found.slice(3)) + 1;
      });
      planes[index - 1]?.peer.signal('SIGSTOP');
      await has(`of-${2 - index}`);
    } finally {
      for (const { peer } of planes) await peer.stop();
    }
  });

  it('leaves one that accepts connections and says nothing', async () => {
    const silent: Server = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<Socket>();
    silent.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)));
    const plane = await RawControlPlane.start({ auto: true });
    try {
      plane.set('Cluster', echo('a'));
      const { port } = silent.address() as { port: number };
      const timing = { backoffBase: 20, backoffCap: 50, connect: 1000 };
      proxy = await startProxy({}, { controlPlane: { servers: [`127.0.0.1:${port}`, plane.address], timing } });
      (await plane.stream()).end();
      await until('a connection to the silent one', () => sockets.size > 0);
      await plane.stream(1);
    } finally {
      await proxy?.close();
      plane.stop();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    }
  });

  it('shows certificate and token, and takes changed files with the next connection', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l7mp-xds-'));
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const server = selfSigned('localhost');
    const [one, two] = [selfSigned('one'), selfSigned('two')];
    const pair = { cert_chain: Buffer.from(server.cert), private_key: Buffer.from(server.key) };
    const trusted = Buffer.from(one.cert + two.cert);
    const plane = await RawControlPlane.start({ credentials: ServerCredentials.createSsl(trusted, [pair], true) });
    try {
      const tls = {
        ca: file('ca.pem', server.cert),
        cert: file('cert.pem', one.cert),
        key: file('key.pem', one.key),
        tokenFile: file('token', 'first\n'),
      };
      proxy = await startProxy(
        {},
        { controlPlane: { servers: [plane.address.replace('127.0.0.1', 'localhost')], plaintext: false, ...tls } },
      );
      const stream = await plane.stream();
      expect(stream.metadata.get('authorization')).to.deep.equal(['Bearer first']);
      expect(stream.peerName).to.equal('one');
      file('cert.pem', two.cert);
      file('key.pem', two.key);
      file('token', 'second');
      stream.end();
      const next = await plane.stream(1);
      expect(next.metadata.get('authorization')).to.deep.equal(['Bearer second']);
      expect(next.peerName).to.equal('two');
    } finally {
      await proxy?.close();
      plane.stop();
      rmSync(directory, { recursive: true });
    }
  });
});
