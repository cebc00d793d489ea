/** A client, a relay with the engine that splices connections, and a server, each in a namespace of the lab; for tests of the engine. */
import { expect } from 'chai';
import type { OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import type { SpliceOptions } from '../../../../dataplane/offload/splice-engine.ts';
import { PYTHON } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { buildLab, type Place, removeLab } from './lab.ts';
import { type Report, say, Talker, TCP_PEER } from './tcp-lab.ts';

interface Event {
  readonly kind: 'spliced' | 'refused' | 'ended' | 'evicted' | 'lost';
  readonly how?: string;
  readonly why?: OffloadRefusal;
  readonly traffic?: PairTraffic;
}

interface State {
  readonly state?: string;
  readonly relayed: { readonly fromClient: number; readonly fromUpstream: number };
  readonly errors: number;
  readonly flows: number;
}

export const FOUR = { client: '10.1.0.2', server: '10.2.0.2' };
export const SIX = { client: 'fd01::2', server: 'fd02::2' };
export const LOCAL = { client: '127.0.0.1', server: '127.0.0.1' };
const PORT = 5000;
const SERVER_PORT = 9000;

export class SpliceBed {
  client!: Talker;
  server!: Talker;
  relay!: Talker;
  private talkers: Talker[] = [];

  constructor() {
    buildLab();
  }

  async close(): Promise<void> {
    await Promise.all(this.talkers.map((talker) => talker.stop()));
    this.talkers = [];
    removeLab();
  }

  start(place: Place, words: readonly string[]): Talker {
    const talker = new Talker(place, words);
    this.talkers.push(talker);
    return talker;
  }

  /** A client, a relay and a server, connected; the server at a place of its own unless `at` says otherwise. */
  async connect(
    places: typeof FOUR,
    clientOptions: readonly string[] = [],
    serverOptions = clientOptions,
    engine: Partial<SpliceOptions> = {},
    at: Place = 'server',
  ): Promise<void> {
    const peer = (place: Place, role: string, address: string, port: number, options: readonly string[]): Talker =>
      this.start(place, [PYTHON, '-c', TCP_PEER, role, address, String(port), ...options]);
    const isLocal = places === LOCAL;
    this.server = peer(isLocal ? 'proxy' : at, 'server', places.server, SERVER_PORT, serverOptions);
    await this.server.next('ready');
    const file = 'test/integration/dataplane/offload/splice-process.ts';
    const given = { listen: places.client, port: PORT, server: places.server, serverPort: SERVER_PORT };
    const node = [process.execPath, '--import=tsx/esm', file, JSON.stringify(given), JSON.stringify(engine)];
    this.relay = this.start('proxy', node);
    await this.relay.next('listening');
    this.client = peer(isLocal ? 'proxy' : 'client', 'client', places.client, PORT, clientOptions);
    await Promise.all([this.client, this.server, this.relay].map((talker) => talker.next('connected')));
  }

  event(): Promise<Event> {
    return this.relay.next<Event>('kind');
  }

  state(): Promise<State> {
    return this.relay.ask<State>('state');
  }

  /** Each has heard of the other. */
  async greet(): Promise<void> {
    await say(this.client, 100, this.server);
    await say(this.server, 200, this.client);
  }

  /** Inserts it, with as much traffic as it takes for both ends to be heard, until it is spliced. */
  splice(): Promise<void> {
    return this.insertUntilSpliced(async () => {
      if ((await this.state()).state === 'observe') await this.greet();
    });
  }

  /** Inserts a busy one until it is spliced. */
  spliceBusy(): Promise<void> {
    return this.insertUntilSpliced(() => Promise.resolve());
  }

  private async insertUntilSpliced(meanwhile: () => Promise<void>): Promise<void> {
    await until('a spliced pair', async () => {
      expect(await this.relay.ask('insert')).to.deep.equal({});
      let event: Event | undefined;
      const heard = this.event().then((found) => (event = found));
      await Promise.all([
        heard,
        until('what becomes of it', async () => {
          await meanwhile();
          return event;
        }),
      ]);
      if (event?.kind !== 'spliced') expect(event?.why?.reason, event?.why?.message).to.equal('state');
      return event?.kind === 'spliced';
    });
  }

  async relayedSome(bytes: number): Promise<void> {
    await until('much relayed', async () => {
      const traffic = await this.relay.ask<PairTraffic>('read');
      return Math.min(traffic.fromClient.bytes, traffic.fromUpstream.bytes) > bytes;
    });
  }

  /** What the kernel has relayed of it. */
  takeBack(): Promise<PairTraffic> {
    return until('a pair that is taken back', async () => {
      const answer = await this.relay.ask<PairTraffic | OffloadRefusal>('remove');
      return 'fromClient' in answer && answer;
    });
  }

  /**
   * A busy pair (`endless`) is taken over and given back so many times, then taken over, and ends there: its contents are whole, and
   * every byte was counted once, by user space or by the kernel.
   */
  async carriesBulk(rounds: number): Promise<void> {
    const taken = { fromClient: 0, fromUpstream: 0 };
    for (let round = 0; round < rounds; round++) {
      await this.spliceBusy();
      await this.relayedSome(50_000);
      const { fromClient, fromUpstream } = await this.takeBack();
      taken.fromClient += fromClient.bytes;
      taken.fromUpstream += fromUpstream.bytes;
      const { relayed } = await this.state();
      await until('user space to relay', async () => {
        const { relayed: now } = await this.state();
        return now.fromClient > relayed.fromClient + 50_000 && now.fromUpstream > relayed.fromUpstream + 50_000;
      });
    }
    await this.spliceBusy();
    await this.relayedSome(50_000);
    const { relayed } = await this.state();
    const [one, two] = await this.closeBoth();
    const { kind, how, traffic } = await this.ended();
    expect({ kind, how }).to.deep.equal({ kind: 'ended', how: 'closed' });
    expect(relayed.fromClient + taken.fromClient + (traffic?.fromClient.bytes ?? 0)).to.equal(one.sent);
    expect(relayed.fromUpstream + taken.fromUpstream + (traffic?.fromUpstream.bytes ?? 0)).to.equal(two.sent);
  }

  /** What both have sent came whole. */
  async finish(): Promise<[Report, Report]> {
    const [one, two] = await Promise.all([this.client.next<Report>('done'), this.server.next<Report>('done')]);
    expect([one.end, two.end]).to.deep.equal(['closed', 'closed']);
    expect([one.received, two.received]).to.deep.equal([two.sent, one.sent]);
    expect([one.receivedHash, two.receivedHash]).to.deep.equal([two.sentHash, one.sentHash]);
    return [one, two];
  }

  closeBoth(): Promise<[Report, Report]> {
    this.client.tell('close');
    this.server.tell('close');
    return this.finish();
  }

  async ended(): Promise<Event> {
    await until('the end of the pair', async () => {
      await this.relay.ask('read');
      return (await this.state()).state === undefined;
    });
    return this.event();
  }
}
