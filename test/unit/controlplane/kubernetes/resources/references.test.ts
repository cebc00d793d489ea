/** Names, and times of sessions. */
import { expect } from 'chai';
import { parseDuration } from '../../../../../controlplane/kubernetes/api/durations.ts';
import { expiryOf } from '../../../../../controlplane/kubernetes/resources/expiry.ts';
import { parseReference } from '../../../../../controlplane/kubernetes/resources/references.ts';

describe('names in custom resources', () => {
  for (const [text, means] of [
    ['web', { namespace: 'home', name: 'web' }],
    ['web.v1', { namespace: 'home', name: 'web.v1' }],
    ['other/web', { namespace: 'other', name: 'web' }],
    ['other/web:http', { namespace: 'other', name: 'web', port: 'http' }],
    ['web:80', { namespace: 'home', name: 'web', port: '80' }],
    ['/apis/l7mp.io/v1/namespaces/other/targets/web', { namespace: 'other', name: 'web' }],
    ['/apis/v1/namespaces/other/services/web', undefined],
    ['', undefined],
    ['Web', undefined],
    ['a/b/c', undefined],
    ['web:', undefined],
    ['-web', undefined],
  ] as const) {
    it(`"${text}" is ${JSON.stringify(means)}`, () => expect(parseReference(text, 'home')).to.deep.equal(means));
  }
});

describe('times of sessions', () => {
  for (const [text, ms] of [
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1m500ms', 60_500],
    ['0s', 0],
    ['1d', undefined],
    ['', undefined],
    ['1h ', undefined],
  ] as const) {
    it(`"${text}" is ${ms} ms`, () => expect(parseDuration(text)).to.equal(ms));
  }

  it('are the earlier of both, and none where none can be read', () => {
    const metadata = { name: 's', creationTimestamp: '2026-01-01T00:00:00Z' };
    const ends = (spec: object) =>
      expiryOf({ apiVersion: 'l7mp.io/v1', kind: 'Session', metadata, spec: { listeners: [], ...spec } });
    const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`);
    expect(ends({ ttl: '1h' })).to.equal(at('01:00:00'));
    expect(ends({ ttl: '1h', expiresAt: '2026-01-01T00:30:00Z' })).to.equal(at('00:30:00'));
    expect(ends({ ttl: '1h', expiresAt: '2026-01-01T02:00:00+00:00' })).to.equal(at('01:00:00'));
    expect(ends({ ttl: 'soon' })).to.equal(undefined);
  });
});
