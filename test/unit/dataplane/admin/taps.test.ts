import { expect } from 'chai';
import { decodeTap } from '../../../../config/decode.ts';
import { createTestApi, fakeSession, recordsOf, type TestApi } from '../../../support/admin.ts';

const CONFIG = { listeners: [{ name: 'in', spec: { protocol: 'UDP', port: 1 }, rules: [] }] };

describe('the REST API of taps', () => {
  let api: TestApi;

  beforeEach(() => {
    api = createTestApi(CONFIG);
    api.sessions.set('live', fakeSession({ name: 'live' }));
    api.sessions.set('gone', fakeSession({ name: 'gone', status: 'DESTROYED' }));
  });

  it('streams lines of JSON', async () => {
    const { status, headers, text } = await api.post('/api/v1/taps', { tap: { listener: 'in', count: 2 } });
    expect(status).to.equal(200);
    expect(headers).to.deep.equal({ 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    const asked = decodeTap({ listener: 'in', count: 2 }).value!;
    expect(api.taps.started).to.deep.equal([asked]);
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).to.deep.equal(recordsOf(asked));
  });

  for (const [what, tap, content] of [
    ['an unknown listener', { listener: 'none' }, 'listener: expected the name of a listener, found "none"'],
    ['an unknown session', { session: 'none' }, 'session: expected the name of a session, found "none"'],
    [
      'a session that has ended',
      { session: 'gone' },
      'session: expected a session that goes on, found "gone", which has ended',
    ],
    ['faults', { listener: 'in', side: 'x' }, 'side: expected one of client, upstream, found "x"'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { status, body } = await api.post('/api/v1/taps', { tap });
      expect([status, body.content]).to.deep.equal([400, content]);
      expect(api.taps.started).to.deep.equal([]);
    });
  }

  for (const [allow, local, isAllowed] of [
    ['loopback', '127.0.0.1', true],
    ['loopback', '::1', true],
    ['loopback', undefined, true],
    ['loopback', '10.0.0.1', false],
    ['all', '10.0.0.1', true],
    ['off', '127.0.0.1', false],
    ['off', undefined, false],
  ] as const) {
    it(`${isAllowed ? 'allows' : 'refuses'} them at ${local ?? 'a UNIX socket'} where they are allowed: ${allow}`, async () => {
      api = createTestApi({ ...CONFIG, admin: { taps: allow } });
      api.local = local;
      const { status } = await api.post('/api/v1/taps', { listener: 'in' });
      expect(status).to.equal(isAllowed ? 200 : 403);
      expect(api.taps.refusals).to.have.length(isAllowed ? 0 : 1);
    });
  }

  it('lists and ends them', async () => {
    const request = decodeTap({ listener: 'in' }).value!;
    const sums = { sessions: 1, messages: 2, bytes: 3, dropped: { messages: 4, bytes: 5 } };
    api.taps.running = [{ id: 3, request, startedAt: 9, remote: '127.0.0.1:1', ...sums }];
    expect((await api.get('/api/v1/taps')).list).to.deep.equal([
      { id: 3, request, started_at: 9, remote: '127.0.0.1:1', ...sums },
    ]);
    expect((await api.delete('/api/v1/taps/3?by=somebody')).body.content).to.equal(
      'by: expected client, found "somebody"',
    );
    expect((await api.delete('/api/v1/taps/3')).status).to.equal(200);
    expect((await api.delete('/api/v1/taps/3?by=client')).status).to.equal(400);
    expect(api.taps.reasons).to.deep.equal(['it was ended by the REST API', 'its client ended it']);
    expect((await api.delete('/api/v1/taps/x')).status).to.equal(400);
  });
});

interface Sum {
  readonly name: string;
  readonly sessions: number;
  readonly rates: { readonly ingress: { readonly bytes: number } };
}
interface Traffic extends Omit<Sum, 'name'> {
  readonly listeners: readonly Sum[];
  readonly clusters: readonly Sum[];
}

describe('the REST API of what moves', () => {
  const rates = (bytes: number) => ({ ingress: { bytes, packets: 1.4 }, egress: { bytes: 2 * bytes, packets: 2 } });
  const stage = (origin: string) => ({ origin, status: 'READY', attempts: 1 }) as const;
  let api: TestApi;

  beforeEach(() => {
    api = createTestApi(CONFIG);
    const add = (name: string, listener: string, cluster: string, bytes: number, more: object = {}): void => {
      const destination = { ...stage(cluster), endpoint: { name: `${cluster}-1`, address: '10.0.0.9', port: 1 } };
      api.sessions.set(name, fakeSession({ name, listener, destination, rates: rates(bytes), ...more }));
    };
    add('a', 'in', 'x', 10);
    add('b', 'in', 'y', 100.6, { id: 2 });
    add('c', 'other', 'y', 5, { id: 3 });
    add('d', 'other', 'y', 1000, { id: 4, status: 'DESTROYED' });
  });

  it('tells sums by listener and by cluster, and those in all by listeners', async () => {
    const sums = (active: number, moved: number) => {
      const traffic = { bytes: moved, packets: moved };
      return { active, ingress: traffic, egress: traffic };
    };
    let moved = 0;
    api.totals = () => {
      const totals = {
        listeners: new Map([
          ['in', sums(2, 0)],
          ['other', sums(0, moved)],
          ['idle', sums(0, 7)],
        ]),
        clusters: new Map([['y', sums(1, 0)]]),
      };
      moved += 100_000;
      return totals;
    };
    const { listeners, clusters, ...all } = (await api.get('/api/v1/traffic')).body as unknown as Traffic;
    expect(listeners.map(({ name, sessions }) => [name, sessions])).to.deep.equal([
      ['other', 0],
      ['in', 2],
    ]);
    const none = { bytes: 0, packets: 0 };
    expect(clusters).to.deep.equal([{ name: 'y', sessions: 1, rates: { ingress: none, egress: none } }]);
    expect(all).to.deep.equal({ sessions: 2, kernel: 0, rates: listeners[0]?.rates });
    expect(all.rates.ingress.bytes).to.be.within(1, 100_000);
  });

  for (const [query, names] of [
    ['live=true', 'abc'],
    ['live=false', 'abcd'],
    ['search=OTHER', 'cd'],
    ['search=x-1', 'a'],
    ['search=10.0.0.9&live=true', 'abc'],
    ['search=destroyed', 'd'],
    ['sort=packets&limit=2&live=true', 'ab'],
  ] as const) {
    it(`finds ${names} by ${query}`, async () => {
      const { list } = await api.get(`/api/v1/sessions?${query}`);
      expect(list.map(({ name }) => name).join('')).to.equal(names);
    });
  }
});
