/** A whole proxy between two hosts: its hot sessions go into the kernel and come back, and nobody can tell but by asking. */
import { expect } from 'chai';
import { L7MP, runCommand } from '../../../support/command.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { parseMetrics, type Sample } from '../admin/tools.ts';
import { Bed, configuration, FOUR, IN_PROXY, WAYS } from './bed.ts';
import { inPlace } from './lab.ts';

describe(`a proxy with kernel offload, with ${versionOf(PYTHON, '--version')} and ${versionOf('curl', '--version')}`, () => {
  let bed: Bed;

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.close());

  const sumOf = (samples: readonly Sample[], name: string, direction: string, path?: string): number =>
    samples
      .filter((sample) => sample.name === name && sample.labels['direction'] === direction)
      .filter(({ labels }) => path === undefined || labels['path'] === path)
      .reduce((sum, { value }) => sum + value, 0);

  for (const [way, places] of WAYS) {
    it(`hands a hot session over and takes it back when it is deleted, ${way}: contents and counters are whole`, async () => {
      await bed.start(places, { policy: 'auto', threshold: 100 });
      const hot = bed.sender(places);
      const { name } = await bed.inKernel();
      expect(bed.offload()).to.deep.include({ enabled: true, flows: 1, handovers: 1, refusals: {} });
      await until('programs at both interfaces', () => bed.offload().interfaces?.length === 2);
      expect(bed.offload().interfaces).to.have.members(['to-client', 'to-server']);
      const sent = await hot.stop();
      const session = await bed.counted(sent);
      const { traffic } = session.offload;
      expect(traffic?.ingress.packets).to.be.above(1000).and.below(sent.packets);
      expect(session.events.map(({ event }) => event)).to.include('KERNEL');

      const samples = await parseMetrics(bed.curl('/metrics'));
      for (const subject of ['listener', 'cluster']) {
        for (const direction of ['ingress', 'egress'] as const) {
          expect(sumOf(samples, `l7mp_${subject}_bytes_total`, direction)).to.equal(sent.bytes);
          expect(sumOf(samples, `l7mp_${subject}_packets_total`, direction)).to.equal(sent.packets);
          const kernel = sumOf(samples, `l7mp_${subject}_packets_total`, direction, 'kernel');
          expect(kernel).to.equal(traffic?.[direction].packets);
        }
      }
      expect(samples.find((sample) => sample.name === 'l7mp_offload_flows')?.value).to.equal(1);

      bed.curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');
      expect(bed.offload().flows).to.equal(0);
      await bed.proxy.peer.output(new RegExp(`^${sent.packets} ${sent.bytes} DELETED$`, 'mu'));
      // Packets reach the sockets again: a new session.
      const again = bed.sender(places);
      await until('a new session', () => bed.sessions()[0]?.status === 'CONNECTED');
      const more = await again.stop();
      expect(more.packets).to.be.above(0);
      await bed.counted(more);
    });
  }

  it('shows it by the command', async () => {
    const { api } = await bed.start(FOUR, { policy: 'auto', threshold: 100 });
    const ask = async (...words: string[]): Promise<string> => {
      const result = await runCommand('ip', [...IN_PROXY, L7MP, ...words, '--api', api]);
      expect(result.code, result.stderr).to.equal(0);
      return result.stdout;
    };
    expect(await ask('offload')).to.match(
      /^on, by tcx: 0 of 16384 sessions\nTCP: on, by tcx: 0 of 4096 sessions\n0 given to the kernel, 0 taken back\n$/u,
    );
    const hot = bed.sender(FOUR);
    const { name } = await bed.inKernel();
    const shown = await ask('offload');
    expect(shown).to.match(/1 of 16384 sessions\nTCP: .*\n1 given to the kernel/u);
    expect(shown).to.match(new RegExp(`^${name.replaceAll('.', '[.]')} +in +\\d+/s +\\d+ +[\\d.]+ .?B +kernel$`, 'mu'));
    expect(JSON.parse(await ask('offload', '-o', 'json'))).to.deep.include({ enabled: true, flows: 1 });
    expect(await ask('explain', name)).to.match(/^packets {4}pass the kernel alone; the kernel has relayed \d+$/mu);
    await hot.stop();
  });

  it('ends a session that is idle, not one whose packets the kernel relays', async () => {
    const idle = 2000;
    await bed.start(FOUR, 'always', { idle_timeout: idle });
    const hot = bed.sender(FOUR);
    await bed.inKernel();
    const since = performance.now();
    await until('traffic in the same session for longer than it may be idle', () => {
      expect(bed.sessions()).to.have.length(1);
      return performance.now() - since > 2 * idle;
    });
    const { packets, bytes } = await hot.stop();
    await bed.proxy.peer.output(new RegExp(`^${packets} ${bytes} IDLE_TIMEOUT$`, 'mu'));
    expect(bed.sessions()).to.deep.equal([]);
    expect(bed.offload()).to.deep.include({ flows: 0, handovers: 1 });
  });

  it('counts all of it when the proxy stops', async () => {
    const process = await bed.start(FOUR, 'always', {}, { drain_timeout: 100 });
    const hot = bed.sender(FOUR);
    await bed.inKernel();
    const { packets, bytes } = await hot.stop();
    process.peer.signal('SIGTERM');
    await process.peer.exit;
    expect(process.peer.stdout).to.equal(`${packets} ${bytes} DRAINED\n`);
  });

  it('says which condition keeps a session in user space', async () => {
    await bed.start(FOUR, 'always', { datagrams_per_second: 1_000_000 });
    const hot = bed.sender(FOUR);
    const refused = await until('a refusal', () => {
      const { 'rate-limit': count = 0 } = bed.offload().refusals;
      return count > 0 && bed.sessions()[0];
    });
    expect(refused.offload).to.deep.equal({
      state: 'user',
      reason: 'expected no limit of datagrams or bytes a second (datagrams_per_second, bytes_per_second), found one',
    });
    await bed.counted(await hot.stop());
  });

  it('says which interfaces it was given that are not there, and which are, also those that are down', async () => {
    const interfaces = ['to-clinet', 'to-server', 'idle'];
    inPlace('proxy', 'ip link add idle type veth peer name idle-too');
    await bed.startProxy(configuration(FOUR, 'always', {}, { offload_ifs: interfaces }));
    const told = bed.proxy.log().find(({ msg }) => msg.startsWith('admin.offload_ifs'));
    expect(told).to.deep.include({ level: 'warn', missing: ['to-clinet'] });
    expect(told?.['interfaces']).to.have.members(['to-client', 'to-server', 'idle', 'idle-too']);
  });

  it('works in user space without privileges, and says so once', async () => {
    await bed.serve(FOUR.server);
    const runner = 'setpriv --bounding-set=-all --inh-caps=-all';
    await bed.startProxy(configuration(FOUR, 'always'), runner);
    const hot = bed.sender(FOUR);
    await until('some traffic', () => (bed.sessions()[0]?.counters.egress.packets ?? 0) > 1000);
    await bed.counted(await hot.stop());
    const { reason } = bed.offload();
    expect(reason).to.contain('needs Linux 5.16, CAP_BPF and CAP_NET_ADMIN').and.to.contain('not permitted');
    expect(bed.sessions()[0]?.offload).to.deep.equal({ state: 'user', reason });
    const told = bed.proxy.log().filter(({ msg }) => msg.includes('offload'));
    expect(told.map(({ level, msg }) => `${level}: ${msg}`)).to.deep.equal([
      'warn: no kernel offload of UDP sessions: they stay in user space',
      'warn: no kernel offload of TCP connections: they stay in user space',
    ]);
    expect(told[0]).to.include({ reason });
  });
});
