/** Session persistence of rules: what routes of the proxy have of it, and what is refused. */
import { expect } from 'chai';
import type { HTTPRouteRule } from '../../../../../controlplane/kubernetes/api/gateway-kinds.ts';
import { readPersistence } from '../../../../../controlplane/kubernetes/gateway/session-persistence.ts';

type Persistence = NonNullable<HTTPRouteRule['sessionPersistence']>;

describe('session persistence of a rule', () => {
  for (const [given, wanted] of [
    [{}, { type: 'cookie', lifetime: 'session', path: '/' }],
    [
      { sessionName: 's', absoluteTimeout: '1m500ms', cookieConfig: { lifetimeType: 'Permanent' } },
      { type: 'cookie', lifetime: 'permanent', path: '/', name: 's', absolute_timeout: 61 },
    ],
    [
      { type: 'Header', sessionName: 'X-S' },
      { type: 'header', lifetime: 'session', path: '/', name: 'X-S' },
    ],
  ] as const satisfies readonly (readonly [Persistence, object])[]) {
    it(`is read of ${JSON.stringify(given)}`, () => {
      expect(readPersistence({ sessionPersistence: given })).to.deep.equal({ value: wanted, faults: [] });
    });
  }

  const prefix = (value: string, type: 'Exact' | 'PathPrefix' | 'RegularExpression' = 'PathPrefix'): object => ({
    path: { type, value },
  });
  for (const [matches, path] of [
    [[prefix('/a/b')], '/a/b'],
    [[prefix('/a/')], '/a'],
    [[prefix('/a/b', 'Exact'), prefix('/a/c')], '/a'],
    [[prefix('/ab'), prefix('/a')], '/'],
    [[prefix('/a'), prefix('/a.*', 'RegularExpression')], '/'],
    [[prefix('/a'), {}], '/'],
    [[prefix('/a;b')], '/'],
  ] as const) {
    it(`has the path ${path} of ${JSON.stringify(matches)}`, () => {
      const { value } = readPersistence({ sessionPersistence: {}, matches: [...matches] });
      expect((value as { path: string }).path).to.equal(path);
    });
  }

  it('says all that is wrong', () => {
    const { faults, value } = readPersistence({
      sessionPersistence: {
        ...{ sessionName: 'a b', absoluteTimeout: 'soon', type: 'Header' },
        cookieConfig: { lifetimeType: 'Long' },
      },
    });
    expect(value).to.equal(undefined);
    expect(faults).to.deep.equal([
      'sessionPersistence.absoluteTimeout: expected a duration, as in 1h30m, found "soon"',
      'sessionPersistence.sessionName: expected the name of a cookie or header field, found a b',
      'sessionPersistence.cookieConfig.lifetimeType: expected Session or Permanent, found Long',
      'sessionPersistence.cookieConfig: expected nothing with type Header, found Long',
    ]);
    const permanent = { sessionPersistence: { cookieConfig: { lifetimeType: 'Permanent' } } };
    expect(readPersistence(permanent).faults).to.deep.equal([
      'sessionPersistence.absoluteTimeout: expected one, as the cookie is permanent, found none',
    ]);
  });
});
