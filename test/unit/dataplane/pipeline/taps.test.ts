/** Who looks on at sessions: what they hear, in which order, and that nothing is left of them. */
import { expect } from 'chai';
import { ProxyError } from '../../../../common/errors.ts';
import type { TapDirection, TapEar, TappedSession, TapSide } from '../../../../dataplane/core/tap.ts';
import type { SessionView } from '../../../../dataplane/core/session.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { type Harness, harness, retry } from '../../../support/pipeline.ts';
import { until } from '../../../support/until.ts';

class Ear implements TapEar {
  readonly side: TapSide;
  readonly directions: ReadonlySet<TapDirection>;
  readonly heard: string[] = [];
  wanted: (session: SessionView) => boolean = () => true;

  constructor(side: TapSide, ...directions: TapDirection[]) {
    this.side = side;
    this.directions = new Set(directions.length > 0 ? directions : ['in', 'out']);
  }

  wants(session: SessionView): boolean {
    return this.wanted(session);
  }

  data(_session: TappedSession, direction: TapDirection, chunk: Buffer): void {
    this.heard.push(`${direction} ${chunk.toString()}`);
  }

  signal(_session: TappedSession, direction: TapDirection, signal: { readonly headers: readonly string[] }): void {
    this.heard.push(`${direction} signal ${signal.headers.join(':')}`);
  }

  end(_session: TappedSession, direction: TapDirection): void {
    this.heard.push(`${direction} end`);
  }

  unheard(_session: TappedSession, why: string): void {
    this.heard.push(why);
  }

  closed({ view }: TappedSession): void {
    this.heard.push(`closed ${view.reason ?? ''}`);
  }
}

describe('taps of sessions', () => {
  let pipeline: Harness;

  afterEach(() => pipeline.sessions.close());

  const hear = (ear: Ear): (() => void) => pipeline.sessions.taps.listen(ear);

  function start(client = new FakeStream()): { client: FakeStream; cluster: FakeStream } {
    pipeline.accept(client);
    return { client, cluster: pipeline.cluster('cluster').last };
  }

  it('hear a new session from its first byte to its end, and one that there is from then on', () => {
    pipeline = harness();
    const first = new Ear('client');
    hear(first);
    const { client, cluster } = start();
    client.says('hello');
    const late = new Ear('upstream');
    hear(late);
    cluster.says('there');
    client.says('bye');
    client.ends();
    cluster.ends();
    client.closes();
    cluster.closes();
    expect(first.heard).to.deep.equal(['in hello', 'out there', 'in bye', 'in end', 'out end', 'closed OK']);
    expect(late.heard).to.deep.equal(['out there', 'in bye', 'in end', 'out end', 'closed OK']);
    expect([cluster.written, client.written]).to.deep.equal([['hello', 'bye'], ['there']]);
  });

  it('hear one direction, and sessions that they want', () => {
    pipeline = harness();
    const [one, none] = [new Ear('client', 'out'), new Ear('client')];
    none.wanted = ({ name }) => name === 'another';
    hear(one);
    hear(none);
    const { client, cluster } = start();
    client.says('a');
    cluster.says('b');
    client.closes(new ProxyError('PEER_RESET', 'gone'));
    expect(one.heard).to.deep.equal(['out b', 'closed PEER_RESET']);
    expect(none.heard).to.deep.equal([]);
  });

  it('hear each side as it is: what is dropped never comes to the other, what is changed is', () => {
    pipeline = harness(
      { fault: { drop: 100 } as never, response_headers: { set: { b: '2' }, add: {}, remove: [] } },
      {},
    );
    const [at, behind] = [new Ear('client'), new Ear('upstream')];
    hear(at);
    hear(behind);
    const { client, cluster } = start(new FakeStream({ framing: 'datagrams', reliable: false }));
    client.says('lost');
    cluster.sends({ type: 'response', status: 200, headers: ['a', '1'] });
    expect(at.heard).to.deep.equal(['in lost', 'out signal a:1:b:2']);
    expect(behind.heard).to.deep.equal(['out signal a:1']);
    expect(cluster.written).to.deep.equal([]);
  });

  it('hear the destination where there are others on the way', () => {
    pipeline = harness({ ingress: ['before'], egress: ['after'] });
    const ear = new Ear('upstream');
    hear(ear);
    const { client, cluster } = start();
    client.says('a');
    pipeline.cluster('before').last.says('b');
    cluster.says('c');
    pipeline.cluster('after').last.says('d');
    expect(ear.heard).to.deep.equal(['in b', 'out c']);
    expect(client.written).to.deep.equal(['d']);
  });

  it('hear that a session has ended which got nowhere', () => {
    pipeline = harness({}, {}, { match: { op: 'defined', path: '/none', ignore_case: false, apply: [] } });
    const [client, upstream, none] = [new Ear('client'), new Ear('upstream'), new Ear('client')];
    none.wanted = () => false;
    for (const ear of [client, upstream, none]) hear(ear);
    pipeline.accept(new FakeStream());
    expect([client.heard, upstream.heard, none.heard]).to.deep.equal([['closed NO_ROUTE'], ['closed NO_ROUTE'], []]);
  });

  it('hear what waited for a slow writer when it is written', () => {
    pipeline = harness();
    const ear = new Ear('upstream');
    hear(ear);
    const { client, cluster } = start();
    cluster.room = false;
    client.says('one');
    client.says('two');
    expect(ear.heard).to.deep.equal(['in one']);
    cluster.drains();
    expect(ear.heard).to.deep.equal(['in one', 'in two']);
  });

  for (const order of ['first', 'last'] as const) {
    it(`leave nothing when they end, the ${order} of two before the other`, () => {
      pipeline = harness({}, { bytes_per_second: 1e9 });
      const { client, cluster } = start();
      const ears = [new Ear('client'), new Ear('client')];
      const stops = ears.map(hear);
      client.says('a');
      const [gone, stays] = order === 'first' ? [0, 1] : [1, 0];
      stops[gone]?.();
      client.says('b');
      cluster.says('c');
      stops[stays]?.();
      client.says('d');
      cluster.says('e');
      expect(ears[gone]?.heard).to.deep.equal(['in a']);
      expect(ears[stays]?.heard).to.deep.equal(['in a', 'in b', 'out c']);
      expect([cluster.written, client.written]).to.deep.equal([
        ['a', 'b', 'd'],
        ['c', 'e'],
      ]);
      expect(pipeline.sessions.get('session-0')).to.have.property('taps', 0);
    });
  }

  it('may end while they hear', () => {
    pipeline = harness();
    const ear = new Ear('client');
    const { client, cluster } = start();
    const stop = hear(ear);
    ear.data = () => {
      ear.heard.push('heard');
      stop();
    };
    client.says('a');
    client.says('b');
    expect(ear.heard).to.deep.equal(['heard']);
    expect(cluster.written).to.deep.equal(['a', 'b']);
  });

  it('hear what a session says to the endpoint that it is connected to again', async () => {
    pipeline = harness({ retry: retry({ retry_on: 'always', num_retries: 1, timeout: 10 }) });
    const ear = new Ear('upstream');
    hear(ear);
    const { client, cluster } = start();
    client.says('a');
    cluster.closes(new ProxyError('PEER_RESET', 'gone'));
    const { streams } = pipeline.cluster('cluster');
    await until('another connection', () => streams.length === 2);
    client.says('b');
    streams[1]?.says('c');
    expect(ear.heard).to.deep.equal(['in a', 'in b', 'out c']);
    expect(streams[1]?.written).to.deep.equal(['b']);
  });
});
