import { expect } from 'chai';
import { decodeTap } from '../../../config/decode.ts';
import { formatFault } from '../../../common/errors.ts';

const faultsOf = (raw: unknown): string[] => decodeTap(raw).faults.map(formatFault);

describe('what is asked for of a tap', () => {
  it('has defaults but for what is tapped', () => {
    expect(decodeTap({ listener: 'web' }).value).to.deep.equal({
      listener: 'web',
      side: 'client',
      direction: 'both',
      count: 0,
      bytes: 65_536,
      seconds: 60,
      redact: [],
      secrets: false,
    });
  });

  it('takes a predicate of rules, and what is redacted', () => {
    const match = { op: 'starts', path: '/HTTP/url/path', value: '/api' };
    const redact = ['X-Key', '/HTTP/url/query', 'payload', 'payload:/card/number'];
    const { value } = decodeTap({ session: 'one', match, redact });
    expect(value).to.deep.include({ session: 'one', redact });
    expect(value?.match).to.deep.include(match);
  });

  for (const [what, raw, faults] of [
    [
      'nothing to tap',
      {},
      ['listener: expected the name of a listener, or session: the name of a session, found nothing'],
    ],
    ['two things', { listener: 'a', session: 'b' }, ['session: expected only one of listener and session, found both']],
    ['no object', 'web', ['tap: expected an object with listener or session, found "web"']],
    [
      'faults, all at once',
      {
        listener: 'a',
        side: 'left',
        seconds: 0,
        match: { op: 'starts', path: '/a' },
        redact: ['a b', 'payload:x', '/~2'],
        sides: 1,
      },
      [
        'side: expected one of client, upstream, found "left"',
        'seconds: expected a whole number from 1 to 86400 (s), found 0',
        'sides: expected a known field (perhaps side), found "sides"',
        'match.value: expected a string, found nothing',
        'redact[0]: expected the name of a header field, a JSON pointer, payload, or payload:/POINTER, found "a b"',
        'redact[1]: expected the name of a header field, a JSON pointer, payload, or payload:/POINTER, found "payload:x"',
        'redact[2]: expected the name of a header field, a JSON pointer, payload, or payload:/POINTER, found "/~2"',
      ],
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(faultsOf(raw)).to.deep.equal(faults);
    });
  }
});
