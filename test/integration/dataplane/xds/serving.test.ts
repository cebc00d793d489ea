/** What a control plane gives, as clients of the proxy and its operator see it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadText } from '../../../../config/load.ts';
import { Peer, versionOf } from '../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { RawControlPlane } from '../../../support/raw-control-plane.ts';
import { until } from '../../../support/until.ts';
import { selfSigned } from '../../../support/self-signed.ts';

const listener = (name: string, rules = 'rl', spec: object = { tcp: { address: '127.0.0.1', port: 0 } }) => ({
  name,
  spec,
  rules,
});
const rule = (destination: string) => ({ name: 'r', action: { route: destination } });
const route = (destination: string) => ({ name: 'rt', destination });
const echo = (name: string) => ({ name, spec: { echo: {} } });

/** A listener `in` whose sessions go to a cluster. */
function setRelay(plane: RawControlPlane, cluster: { readonly name: string }): void {
  plane.set('Cluster', cluster);
  plane.set('Route', route(cluster.name));
  plane.set('Rule', rule('rt'));
  plane.set('RuleList', { name: 'rl', rules: ['r'] } as never);
  plane.set('Listener', listener('in'));
}

/** What comes back of a line that socat sends. */
async function ask(port: number, line: string): Promise<string> {
  const socat = new Peer('socat', ['-t2', 'STDIO', `TCP:127.0.0.1:${port}`]);
  socat.write(`${line}\n`);
  socat.endInput();
  await socat.exit;
  return socat.stdout.trim();
}

describe(`xDS and ${versionOf('socat', '-V')}`, () => {
  let plane: RawControlPlane;
  let proxy: TestProxy | undefined;
  const directories: string[] = [];
  const directory = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'l7mp-xds-'));
    directories.push(made);
    return made;
  };
  const start = async (config: string | object = {}, options: Parameters<typeof startProxy>[1] = {}) => {
    const started = await startProxy(config, {
      ...options,
      controlPlane: { servers: [plane.address], ...options.controlPlane },
    });
    proxy = started;
    return started;
  };
  const serves = (running: TestProxy, name = 'in') => until(`listener ${name}`, () => running.proxy.addressOf(name));
  beforeEach(async () => {
    plane = await RawControlPlane.start({ auto: true });
  });
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    plane.stop();
    for (const each of directories.splice(0)) rmSync(each, { recursive: true });
  });

  it('serves what comes, in whatever order, and changes and removes it', async () => {
    const running = await start();
    plane.set('Listener', listener('in'));
    await until('warming', () => plane.reports.get('Listener in')?.reason === 'waits for rule list rl');
    expect(running.proxy.addressOf('in')).to.equal(undefined);
    expect(running.proxy.ready).to.equal(false);
    setRelay(plane, echo('e'));
    await serves(running);
    expect(await ask(running.port('in'), 'hello')).to.equal('hello');
    await until('ready', () => running.proxy.ready);
    plane.remove('Listener', 'in');
    await until('gone', () => running.proxy.addressOf('in') === undefined);
  });

  it('starts a listener whose port is taken when it is free, and holds up nothing else', async () => {
    const other = await startProxy({ listeners: [{ name: 'l', spec: 'tcp://127.0.0.1:0', rules: [] }] });
    const running = await start();
    setRelay(plane, echo('e'));
    plane.set('Listener', listener('taken', 'rl', { tcp: { address: '127.0.0.1', port: other.port('l') } }));
    await serves(running);
    await until('ready', () => running.proxy.ready); // serving, or failed
    await until('failed', () => plane.reports.get('Listener taken')?.state === 'failed');
    const listeners = async (state: string): Promise<string | undefined> =>
      new RegExp(`^l7mp_listeners\\{state="${state}"\\} (\\d+)$`, 'mu').exec((await running.proxy.metrics()).text)?.[1];
    expect([await listeners('serving'), await listeners('failed')]).to.deep.equal(['1', '1']);
    await other.close();
    await serves(running, 'taken');
    expect([await listeners('serving'), await listeners('failed')]).to.deep.equal(['2', '0']);
    expect(await ask(running.port('taken'), 'x')).to.equal('x');
  });

  it('lets the listener before go on while the next one waits or fails', async () => {
    const running = await start();
    setRelay(plane, echo('e'));
    await serves(running);
    const port = running.port('in');
    plane.set('Listener', listener('in', 'not-yet', { tcp: { address: '127.0.0.2', port: 0 } }));
    await until('warming', () => plane.reports.get('Listener in')?.reason === 'waits for rule list not-yet');
    expect(await ask(port, 'still')).to.equal('still');
    plane.set('RuleList', { name: 'not-yet', rules: ['r'] } as never);
    await until('the next', () => running.proxy.addressOf('in')?.startsWith('127.0.0.2:'));
  });

  it('takes the endpoints of a cluster of the file, and nothing else', async () => {
    const config = {
      listeners: [{ name: 'in', spec: 'tcp://127.0.0.1:0', rules: [{ action: { route: { destination: 'c' } } }] }],
      clusters: [{ name: 'c', spec: { protocol: 'TCP' }, discovery: 'backends' }],
    };
    const running = await start(config, { controlPlane: { resources: 'endpoints' }, api: true });
    const stream = await plane.stream();
    expect((await stream.request('ClusterLoadAssignment')).resource_names_subscribe).to.deep.equal(['backends']);
    // It reads to the end first: socat gives up where what it runs no longer takes what it is sent.
    const answering = 'SYSTEM:cat >/dev/null; echo one';
    const backend = new Peer('socat', ['-d', '-d', '-t5', 'TCP-LISTEN:0,bind=127.0.0.1', answering]);
    const [, port] = await backend.output(/listening on AF=2 127\.0\.0\.1:(\d+)/u);
    // A session that comes before its endpoints waits for them.
    const early = ask(running.port('in'), 'x');
    await until('a waiting session', () => running.sessions().length === 1);
    plane.set('ClusterLoadAssignment', {
      name: 'backends',
      endpoints: [{ spec: { address: '127.0.0.1', port: Number(port) } }],
    } as never);
    expect(await early).to.equal('one');
    await backend.exit;
    const shown = (await (await fetch(`http://127.0.0.1:${running.port()}/api/v1/clusters/c`)).json()) as {
      endpoints: { name: string; spec: object }[];
    };
    expect(shown.endpoints[0]?.spec).to.deep.equal({ address: '127.0.0.1', port: Number(port) });
    expect(stream.requests.map(({ type_url }) => type_url.split('.').at(-1))).not.to.include('Listener');
    const pushed = stream.delta('Listener', { more: ['1', listener('more')] });
    const refused = await stream.answerTo('Listener', pushed);
    expect(refused.error_detail?.message).to.include('expected a type that was asked for');
    expect(plane.reports.has('Listener more')).to.equal(false);
    await until('ready', () => running.proxy.ready);
  });

  it('connects when it has something to ask for, where only endpoints are', async () => {
    const running = await start({ clusters: [] }, { controlPlane: { resources: 'endpoints' }, api: true });
    expect(running.proxy.ready).to.equal(true);
    const other = await startProxy({}, { controlPlane: { servers: [plane.address] } });
    await plane.stream();
    await until('another proxy', () => other.proxy.ready);
    await other.close();
    const shown = await (await fetch(`http://127.0.0.1:${running.port()}/api/v1/controlplane`)).json();
    expect(shown).to.deep.include({ connected: false, connects: 0 });
    expect(plane.streams).to.have.length(1);
    const cluster = { name: 'c', spec: { protocol: 'TCP' }, discovery: {} };
    await running.proxy.replace(await loadText(JSON.stringify({ clusters: [cluster] })));
    const request = await (await plane.stream(1)).request('ClusterLoadAssignment');
    expect(request.resource_names_subscribe).to.deep.equal(['c']);
  });

  it('refuses discovery and secrets where there is no control plane', async () => {
    const cluster = { name: 'c', spec: { protocol: 'TCP' }, discovery: {} };
    const secret = { name: 'd', spec: { protocol: 'TLS', port: 1, tls: { ca: 'secret:x' } } };
    const error = await startProxy({ clusters: [cluster, secret] }).then(
      () => undefined,
      (thrown: unknown) => (thrown as Error).message,
    );
    expect(error).to.equal(
      'clusters.c.discovery: expected endpoints, as there is no control plane, found discovery\n' +
        'clusters.d.spec.tls: expected files or PEM text, as there is no control plane, found secret:x',
    );
  });

  it('keeps file and control plane apart: the file comes first, and a reload wipes nothing', async () => {
    const running = await start({ clusters: [{ name: 'mine', spec: 'echo://' }] });
    plane.set('Cluster', { name: 'mine', spec: { discard: {} } } as never);
    plane.set('Cluster', echo('theirs'));
    const stream = await plane.stream();
    const nack = await stream.request('Cluster', ({ error_detail }) => error_detail !== undefined);
    expect(nack.error_detail?.message).to.equal(
      'mine: clusters.mine: expected a name that the proxy\'s own configuration does not have, found "mine", which comes first',
    );
    const { clusters } = await until('theirs', () => {
      const { snapshot } = running.proxy;
      return snapshot.clusters.has('theirs') && snapshot;
    });
    expect(clusters.get('mine')?.value.spec.protocol).to.equal('Echo');
    await until('a report', () => plane.reports.get('Cluster mine')?.state === 'failed');

    const reload = async (config: object): Promise<void> =>
      running.proxy.replace(await loadText(JSON.stringify(config)));
    await reload({ clusters: [{ name: 'other', spec: 'echo://' }] });
    expect([...running.proxy.snapshot.clusters.keys()]).to.include.members(['other', 'theirs']);
    // The file's is gone: theirs counts from now on.
    await until('theirs', () => running.proxy.snapshot.clusters.get('mine')?.value.spec.protocol === 'Discard');
    await until('serving', () => plane.reports.get('Cluster mine')?.state === 'serving');
    await reload({ clusters: [{ name: 'mine', spec: 'echo://' }] });
    expect(running.proxy.snapshot.clusters.get('mine')?.source).to.equal('local');
    expect([...running.proxy.snapshot.clusters.keys()]).to.have.members(['mine', 'theirs']);
  });

  it('shows what the control plane manages on the REST API, and refuses to change it', async () => {
    const running = await start({}, { api: true });
    setRelay(plane, echo('e'));
    plane.set('Cluster', { name: 'bad', spec: { tcp: { port: 70_000 } } } as never);
    await serves(running);
    const api = `http://127.0.0.1:${running.port()}`;
    const get = async (path: string) => (await (await fetch(api + path)).json()) as Record<string, unknown>;
    expect(await get('/api/v1/listeners/in')).to.deep.include({ name: 'in', source: 'controlplane' });
    const refused = await fetch(`${api}/api/v1/clusters/e`, { method: 'DELETE' });
    expect(refused.status).to.equal(400);
    expect(await refused.text()).to.include(
      'clusters.e: expected an object of the proxy\'s own, found \\"e\\", managed by the control plane',
    );
    const config = { config: { clusters: [{ name: 'e', spec: { protocol: 'Echo' } }] } };
    const post = (path: string, body: object) =>
      fetch(api + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await post('/api/v1/config', config)).status).to.equal(400);
    expect((await post('/api/v1/rulelists/rl/rules/0', { rule: 'x' })).status).to.equal(400);
    expect((await post('/api/v1/config', { config: { clusters: [] } })).status).to.equal(200);
    expect(running.proxy.snapshot.listeners.has('in')).to.equal(true);
    const state = await get('/api/v1/controlplane');
    expect(state).to.deep.include({ connected: true, server: plane.address, variant: 'delta', connects: 1 });
    const { Cluster } = state['types'] as Record<
      string,
      { nacks: number; resources: number; last_nack: { faults: string[] } }
    >;
    expect(Cluster).to.deep.include({ nacks: 1, resources: 1 });
    expect(Cluster?.last_nack.faults[0]).to.match(/^bad: cluster\.spec\.port: expected/u);
    const metrics = await (await fetch(`${api}/metrics`)).text();
    expect(metrics).to.match(/^l7mp_xds_client_connected(\{[^}]*\})? 1$/mu);
    expect(metrics).to.match(/^l7mp_xds_client_responses_total\{type="Cluster",result="nack"[^}]*\} 1$/mu);
  });

  it('follows a changed secret without touching the listener', async () => {
    const running = await start();
    setRelay(plane, echo('e'));
    const tls = { cert: 'secret:web', key: 'secret:web' };
    plane.set('Listener', listener('secure', 'rl', { tls: { address: '127.0.0.1', port: 0, tls } }));
    await until('warming', () => plane.reports.get('Listener secure')?.reason === 'waits for secret web');
    const stream = await plane.stream();
    const broken = stream.delta('Secret', { web: ['0', { name: 'web', ...selfSigned('x'), key: 'nonsense' }] });
    expect((await stream.answerTo('Secret', broken)).error_detail?.message).to.match(
      /^web: cert: expected a certificate/u,
    );
    plane.set('Secret', { name: 'web', ...selfSigned('one.test') });
    await serves(running, 'secure');
    const port = running.port('secure');
    const subject = async (): Promise<string> => {
      const client = new Peer('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'x']);
      const [, name] = await client.output(/^subject=CN ?= ?(\S+)$/mu);
      client.endInput();
      await client.exit;
      return name ?? '';
    };
    expect(await subject()).to.equal('one.test');
    const open = new Peer('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`]);
    open.write('before\n');
    await open.output(/before/u);
    plane.set('Secret', { name: 'web', ...selfSigned('two.test') });
    await until('the other certificate', async () => (await subject()) === 'two.test');
    open.write('after\n');
    await open.output(/after/u);
    await open.stop();
    expect(running.port('secure')).to.equal(port);
  });

  it('serves the last good configuration after a restart, before anybody answers, and asks with its versions', async () => {
    const stateDir = directory();
    const first = await start({}, { controlPlane: { stateDir } });
    setRelay(plane, echo('e'));
    await serves(first);
    await until('ready', () => first.proxy.ready);
    await first.close();
    plane.stop();
    const second = await start({}, { controlPlane: { stateDir } });
    expect(second.proxy.ready).to.equal(true);
    expect(await ask(second.port('in'), 'again')).to.equal('again');
    const [, port] = plane.address.split(':');
    plane = await RawControlPlane.start({ port: Number(port) });
    const request = await (await plane.stream()).request('Cluster');
    expect(Object.keys(request.initial_resource_versions)).to.deep.equal(['e']);
  });

  it('serves after a restart what it served, also where that lacks something', async () => {
    const stateDir = directory();
    const first = await start({}, { controlPlane: { stateDir } });
    setRelay(plane, echo('e'));
    plane.set('Route', { name: 'more', destination: 'x' } as never);
    plane.set('Rule', { name: 'r2', action: { route: 'more' } } as never);
    plane.set('Cluster', echo('x'));
    plane.set('RuleList', { name: 'rl', rules: ['r', 'r2'] } as never);
    await serves(first);
    await until('ready', () => first.proxy.ready);
    plane.remove('Route', 'more');
    await until('degraded', () => plane.reports.get('Listener in')?.reason === 'lacks route more');
    await first.close();
    plane.stop();
    const second = await start({}, { controlPlane: { stateDir } });
    expect(second.proxy.ready).to.equal(true);
    expect(await ask(second.port('in'), 'again')).to.equal('again');
  });

  it('passes over a damaged state file, and that of another proxy', async () => {
    const stateDir = directory();
    const first = await start({}, { controlPlane: { stateDir } });
    plane.set('Cluster', echo('e'));
    await until('ready', () => first.proxy.ready);
    await until('e', () => first.proxy.snapshot.clusters.has('e'));
    await first.close();
    plane.stop();
    const other = await start({}, { controlPlane: { stateDir, id: 'proxy-2' } });
    expect(other.proxy.ready).to.equal(false);
    await other.close();
    const file = join(stateDir, 'controlplane.json');
    writeFileSync(file, readFileSync(file).subarray(0, -3));
    const second = await start({}, { controlPlane: { stateDir } });
    expect(second.proxy.ready).to.equal(false);
    expect([...second.proxy.snapshot.clusters.keys()]).to.deep.equal([]);
  });
});
