/** Listeners of spliced sessions come and go over xDS, from go-control-plane. */
import { expect } from 'chai';
import { DiscoveryProcess } from '../../../support/discovery-process.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { any, typeUrl } from '../../../support/raw-control-plane.ts';
import { until } from '../../../support/until.ts';
import { Bed, FOUR, IN_PROXY, type Session } from './bed.ts';
import { inPlace, ip, namespace } from './lab.ts';
import { type Report, say, Talker, TCP_PEER } from './tcp-lab.ts';

describe(`spliced sessions of listeners that go-control-plane serves, with ${versionOf(PYTHON, '--version')}`, () => {
  let bed: Bed;
  let plane: DiscoveryProcess;
  let talkers: Talker[] = [];
  let client: Talker;
  let server: Talker;

  beforeEach(async () => {
    bed = new Bed();
    plane = await DiscoveryProcess.start('go-control-plane', 0, ['ip', ...IN_PROXY]);
  });
  afterEach(async () => {
    await Promise.all(talkers.map((talker) => talker.stop()));
    talkers = [];
    await plane.stop();
    await bed.close();
  });

  const talk = (place: 'client' | 'server', role: string, address: string, port: number): Talker => {
    const talker = new Talker(place, [PYTHON, '-c', TCP_PEER, role, address, String(port)]);
    talkers.push(talker);
    return talker;
  };

  const set = (
    kind: string,
    ...messages: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[]
  ): Promise<void> =>
    plane.set(
      typeUrl(kind),
      ...messages.map((each) => ({ name: each.name, value: any(kind, each).value.toString('base64') })),
    );

  const serveListener = (port: number, policy: string): Promise<void> => {
    const spec = { tcp: { address: FOUR.listen, port } };
    return set('Listener', { name: 'in', spec, rules: 'rules', options: { offload: { policy } } });
  };

  const listens = (port: number, isExpected = true): Promise<unknown> =>
    until(`port ${port} to be ${isExpected ? 'open' : 'closed'}`, () => {
      return (inPlace('proxy', `ss -Hltn sport = ${port}`) !== '') === isExpected;
    });

  /** A proxy that has everything from the plane, and a session of its listener. */
  const start = async (): Promise<void> => {
    server = talk('server', 'server', FOUR.server, 9000);
    await server.next('ready');
    const endpoints = [{ name: 'one', spec: { address: FOUR.server } }];
    await set('Cluster', { name: 'out', spec: { tcp: { port: 9000 } }, endpoints });
    await set('Route', { name: 'to', destination: 'out' });
    await set('Rule', { name: 'all', action: { route: 'to' } });
    await set('RuleList', { name: 'rules', rules: ['all'] });
    await serveListener(5000, 'always');
    const admin = { offload: 'init', access_log_path: 'stdout', access_log_format: '%BYTES_IN% %BYTES_OUT% %REASON%' };
    await bed.startProxy({ admin }, '', '--controlplane', `127.0.0.1:${plane.port}`);
    await listens(5000);
    client = talk('client', 'client', FOUR.proxy, 5000);
    await Promise.all([client.next('connected'), server.next('connected')]);
  };

  const greet = async (): Promise<void> => {
    await say(client, 100, server);
    await say(server, 200, client);
  };

  const inKernel = (): Promise<Session> =>
    until('a session in the kernel', async () => {
      await greet();
      const [session] = bed.sessions();
      return session?.offload.state === 'kernel' && session;
    });

  const finish = async (): Promise<void> => {
    client.tell('close');
    server.tell('close');
    const [one, two] = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
    expect([one.end, two.end]).to.deep.equal(['closed', 'closed']);
    expect([one.receivedHash, two.receivedHash]).to.deep.equal([two.sentHash, one.sentHash]);
    await bed.proxy.peer.output(new RegExp(`^${one.sent} ${two.sent} OK$`, 'mu'));
  };

  it('go on as they are when their listener changes, is gone, and is there again', async () => {
    await start();
    const { name } = await inKernel();
    await serveListener(5001, 'never');
    await listens(5001);
    await say(client, 300_000, server);
    await set('Listener');
    await listens(5001, false);
    await say(server, 200_000, client);
    await serveListener(5000, 'always');
    await listens(5000);
    await greet();
    expect(bed.sessions().map((session) => [session.name, session.offload.state])).to.deep.equal([[name, 'kernel']]);
    expect(bed.offload()).to.include({ handovers: 1, handbacks: 0 });
    await finish();
  });

  it('that stay in user space do not keep their listener from coming back', async () => {
    ip(`-n ${namespace('proxy')} link set to-server mtu 1400`);
    await start();
    await until('a refusal', () => bed.offload().refusals['mtu']);
    await set('Listener');
    await listens(5000, false);
    await serveListener(5000, 'always');
    await listens(5000);
    await greet();
    await finish();
  });

  it('are taken back when they are deleted after their listener', async () => {
    await start();
    const { name } = await inKernel();
    await set('Listener');
    await listens(5000, false);
    bed.curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');
    for (const talker of [client, server]) talker.tell('close');
    const [one, two] = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
    expect([one.receivedHash, two.receivedHash]).to.deep.equal([two.sentHash, one.sentHash]);
    await bed.proxy.peer.output(new RegExp(`^${one.sent} ${two.sent} DELETED$`, 'mu'));
  });
});
