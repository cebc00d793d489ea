/** Tokens of session persistence: whom they lead where, and whose they are not. */
import { expect } from 'chai';
import type { Persistence, Route } from '../../../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle } from '../../../../dataplane/core/cluster.ts';
import type { Metadata } from '../../../../dataplane/core/session.ts';
import { type TokenPlace, type Visit, visitOf } from '../../../../dataplane/pipeline/persistence.ts';
import { pickDestination } from '../../../../dataplane/pipeline/routing.ts';
import { FakeCluster, route } from '../../../support/pipeline.ts';

const KEY = 'a key of the test';
const NOW = Date.UTC(2026, 0, 1);
const HERE: TokenPlace = { cluster: 'cluster', endpoint: '10.0.0.1:80' };

function persistence(more: Partial<Persistence> = {}): Persistence {
  return {
    ...{ type: 'cookie', name: 'c', lifetime: 'session', absolute_timeout: 0, path: '/', same_site: 'strict' },
    key: KEY,
    ...more,
  };
}

function comes(
  to: Partial<Route>,
  http: { cookies?: Metadata; headers?: Metadata; url?: Metadata } = {},
  { now = NOW, clusters = {} }: { now?: number; clusters?: Record<string, ClusterHandle> } = {},
): Visit {
  const visit = visitOf(route(to), { cluster: (name) => clusters[name] }, { HTTP: { headers: {}, ...http } }, now);
  if (visit === undefined) throw new Error('the route persists nothing');
  return visit;
}

/** The token of a cookie. */
function tokenIn([, field = '']: readonly string[]): string {
  return /=([^;]*)/u.exec(field)?.[1] ?? '';
}

describe('a token', () => {
  const mine = { persistence: persistence() };
  const got = tokenIn(comes(mine).fields(HERE));

  it('leads to its endpoint, in its cluster, and is not given twice', () => {
    const visit = comes(mine, { cookies: { c: got } });
    expect([visit.in('cluster'), visit.in('other')]).to.deep.equal(['10.0.0.1:80', undefined]);
    expect(visit.fields(HERE)).to.deep.equal([]);
    expect(visit.fields({ ...HERE, endpoint: '10.0.0.2:80' })).not.to.deep.equal([]);
  });

  it('is a cookie of this form', () => {
    const [name, value = ''] = comes(mine).fields(HERE);
    expect([name, value.replace(/=[\w-]+;/u, '=T;')]).to.deep.equal([
      'set-cookie',
      'c=T; Path=/; HttpOnly; SameSite=Strict',
    ]);
    expect(value).not.to.include('10.0.0.1');
    const lasting = { lifetime: 'permanent', absolute_timeout: 300, path: '/a', same_site: 'none' } as const;
    const url = { scheme: 'https' };
    expect(comes({ persistence: persistence(lasting) }, { url }).fields(HERE)[1]).to.match(
      /; Path=\/a; Max-Age=300; Secure; HttpOnly; SameSite=None$/u,
    );
  });

  it('may be a header field', () => {
    const to = { persistence: persistence({ type: 'header', name: 'X-Session' }) };
    const [name, token = ''] = comes(to).fields(HERE);
    expect(name).to.equal('X-Session');
    expect(comes(to, { headers: { 'x-session': token } }).in('cluster')).to.equal(HERE.endpoint);
  });

  it('is worth nothing once its time is over, however it was used', () => {
    const to = { persistence: persistence({ absolute_timeout: 10 }) };
    const cookies = { c: tokenIn(comes(to).fields(HERE)) };
    expect(comes(to, { cookies }, { now: NOW + 9000 }).in('cluster')).to.equal(HERE.endpoint);
    expect(comes(to, { cookies }, { now: NOW + 10_000 }).in('cluster')).to.equal(undefined);
  });

  const other = (by: Partial<Persistence>): string =>
    tokenIn(comes({ persistence: persistence(by) }).fields({ ...HERE, endpoint: '192.0.2.1:1' }));
  const flipped = Buffer.from(got, 'base64url');
  flipped[20]! ^= 1;
  for (const [what, token] of [
    ['made with another key', other({ key: 'another key of the test' })],
    ['of another name', other({ name: 'd' })],
    ['changed by a bit', flipped.toString('base64url')],
    ['cut short', got.slice(0, -2)],
    ['empty', ''],
    ['no token', '10.0.0.1:80'],
    ['without end', 'A'.repeat(100_000)],
  ] as const) {
    it(`is worth nothing where it is ${what}`, () => {
      expect(comes(mine, { cookies: { c: token } }).in('cluster')).to.equal(undefined);
    });
  }

  it('is of one route only where there is no key', () => {
    const keyless = { type: 'cookie', name: 'c', lifetime: 'session', absolute_timeout: 0 } as const;
    const of = (name: string): Partial<Route> => ({
      name,
      persistence: { ...keyless, path: '/', same_site: 'strict' },
    });
    const cookies = { c: tokenIn(comes(of('a')).fields(HERE)) };
    expect([comes(of('a'), { cookies }).in('cluster'), comes(of('b'), { cookies }).in('cluster')]).to.deep.equal([
      HERE.endpoint,
      undefined,
    ]);
  });

  it('has a name of its route where it is given none', () => {
    const nameless = { ...persistence() };
    delete (nameless as { name?: string }).name;
    const nameOf = (name: string): string =>
      comes({ name, persistence: nameless }).fields(HERE)[1]?.split('=')[0] ?? '';
    expect(nameOf('a')).to.match(/^l7mp-[\da-f]{8}$/u);
    expect(nameOf('a')).not.to.equal(nameOf('b'));
  });

  it('decides between destinations, even for one of weight 0', () => {
    const destinations = ['one', 'two'].map((cluster, index) => ({ cluster, weight: 1 - index, rewrite: [] }));
    const to = { ...mine, destinations };
    const cookies = { c: tokenIn(comes(to).fields({ ...HERE, cluster: 'two' })) };
    expect(pickDestination(route(to), comes(to, { cookies }), () => 0)?.cluster).to.equal('two');
    expect(pickDestination(route(to), comes(to), () => 0)?.cluster).to.equal('one');
  });

  it('of a cluster is of every route by itself, for all of its destinations', () => {
    const clusters = { two: new FakeCluster('two', { persistence: persistence() }) };
    const to = (name: string): Partial<Route> => ({
      name,
      destinations: ['one', 'two'].map((cluster) => ({ cluster, weight: 1, rewrite: [] })),
    });
    const [, field = ''] = comes(to('a'), {}, { clusters }).fields({ ...HERE, cluster: 'one' });
    const [name = ''] = field.split('=');
    expect(name).to.match(/^c-[\da-f]{8}$/u);
    const cookies = { [name]: tokenIn(['', field]) };
    expect(comes(to('a'), { cookies }, { clusters }).in('one')).to.equal(HERE.endpoint);
    expect(comes(to('b'), { cookies }, { clusters }).in('one')).to.equal(undefined);
  });

  it('is not for who has no header', () => {
    expect(visitOf(route(mine), { cluster: () => undefined }, { IP: {} })).to.equal(undefined);
  });
});
