import { expect } from 'chai';
import { decodeObject, emptySnapshot } from '../../../../config/decode.ts';
import { formatFault } from '../../../../common/errors.ts';
import { predicateOf } from '../../../../dataplane/pipeline/match.ts';
import type { Match } from '../../../../gen/l7mp/config/v1/types.ts';

const METADATA = {
  name: 'TCP:10.0.0.1:5000-10.0.0.2:80',
  IP: { src_addr: '10.0.0.1' },
  TCP: { src_port: 5000 },
  HTTP: { headers: { host: 'Example.COM', 'a/b': 'slash', 'c~d': 'tilde' }, url: { path: '/Api/v1' } },
  list: ['a', { b: 'B' }],
  empty: '',
  nothing: null,
  flag: false,
  time: '2026-02-28T23:59:60Z',
};

/** A predicate as a rule has it. */
function match(raw: object | '*'): Match | undefined {
  const { value, faults } = decodeObject('Rule', { name: 'r', match: raw, action: { route: 'x' } }, emptySnapshot());
  if (value === undefined) throw new Error(faults.map(formatFault).join('\n'));
  return value.objects.rules.get('r')?.value.match;
}

const matches = (raw: object | '*'): boolean => predicateOf(match(raw))(METADATA);

/** Each row: the operator, the path, the value, and whether it matches `METADATA`. */
const TABLE: readonly (readonly [op: string, path: string, value: unknown, expected: boolean])[] = [
  ['test', '/IP/src_addr', '10.0.0.1', true],
  ['test', '/IP/src_addr', '10.0.0.2', false],
  ['test', '/TCP/src_port', 5000, true],
  ['test', '/TCP/src_port', '5000', false],
  ['test', '/IP', { src_addr: '10.0.0.1' }, true],
  ['test', '/IP', { src_addr: '10.0.0.1', more: 1 }, false],
  ['test', '/list', ['a', { b: 'B' }], true],
  ['test', '/list', ['a'], false],
  ['test', '/list', { 0: 'a', 1: { b: 'B' } }, false],
  ['test', '/nothing', null, true],
  ['test', '/absent', null, false],
  ['test', '/list/1/b', 'B', true],
  ['test', '/list/length', 2, false],
  ['test', '/HTTP/headers/a~1b', 'slash', true],
  ['test', '/HTTP/headers/c~0d', 'tilde', true],
  ['defined', '/flag', undefined, true],
  ['defined', '/nothing', undefined, true],
  ['defined', '/absent', undefined, false],
  ['defined', '/IP/src_addr/deeper', undefined, false],
  ['defined', '/toString', undefined, false],
  ['undefined', '/absent', undefined, true],
  ['undefined', '/empty', undefined, false],
  ['contains', '/HTTP/url/path', 'pi/v', true],
  ['contains', '/HTTP/url/path', 'api', false],
  ['contains', '/TCP/src_port', '5', false],
  ['starts', '/HTTP/url/path', '/Api', true],
  ['starts', '/HTTP/url/path', 'Api', false],
  ['ends', '/HTTP/headers/host', '.COM', true],
  ['ends', '/HTTP/headers/host', '.com', false],
  ['prefix', '/HTTP/url/path', '/Api', true],
  ['prefix', '/HTTP/url/path', '/Api/', true],
  ['prefix', '/HTTP/url/path', '/', true],
  ['prefix', '/HTTP/url/path', '', true],
  ['prefix', '/HTTP/url/path', '/Ap', false],
  ['prefix', '/HTTP/url/path', '/Api/v', false],
  ['prefix', '/TCP/src_port', '', false],
  ['matches', '/HTTP/url/path', '^/Api/v\\d$', true],
  ['matches', '/HTTP/url/path', '^/api', false],
  ['matches', '/TCP/src_port', '.*', false],
  ['in', '/IP/src_addr', ['10.0.0.9', '10.0.0.1'], true],
  ['in', '/TCP/src_port', ['5000'], false],
  ['in', '/absent', [], false],
  ['less', '/TCP/src_port', 5001, true],
  ['less', '/TCP/src_port', 5000, false],
  ['less', '/IP/src_addr', 5, false],
  ['more', '/TCP/src_port', 4999, true],
  ['more', '/TCP/src_port', 5000, false],
  ['type', '/TCP/src_port', 'number', true],
  ['type', '/name', 'string', true],
  ['type', '/name', 'number', false],
  ['type', '/flag', 'boolean', true],
  ['type', '/IP', 'object', true],
  ['type', '/list', 'object', false],
  ['type', '/list', 'array', true],
  ['type', '/nothing', 'null', true],
  ['type', '/nothing', 'object', false],
  ['type', '/absent', 'undefined', true],
  ['type', '/time', 'date-time', true],
  ['type', '/time', 'date', false],
];

/** Texts that are of a type of the draft's section 3, and such that are not. */
const TYPES: Readonly<Record<string, readonly [right: readonly string[], wrong: readonly string[]]>> = {
  date: [
    ['2026-01-31', '0000-12-01'],
    ['2026-13-01', '2026-00-10', '2026-1-1', '2026-01-32'],
  ],
  time: [
    ['23:59:59Z', '00:00:00.25+01:00'],
    ['24:00:00Z', '00:00:00', '00:60:00Z'],
  ],
  'date-time': [
    ['2026-01-31T00:00:00Z', '2026-01-31t00:00:00-05:30'],
    ['2026-01-31', '2026-01-31 00:00:00Z'],
  ],
  lang: [
    ['en', 'en-US', 'i-klingon'],
    ['', 'english-', 'abcdefghi', '*'],
  ],
  'lang-range': [
    ['*', 'en', 'en-*', '*-CH'],
    ['', 'en--', '**'],
  ],
  iri: [
    ['', '/a', 'http://ű/x?y#z'],
    ['a b', '<a>', '\\'],
  ],
  'absolute-iri': [
    ['urn:a', 'http://example.com/'],
    ['/a', '1a:b', 'a'],
  ],
};

describe('A predicate', () => {
  for (const [op, path, value, expected] of TABLE) {
    const shown = value === undefined ? '' : ` ${JSON.stringify(value)}`;
    it(`${op} ${path}${shown} ${expected ? 'matches' : 'does not match'}`, () => {
      expect(matches({ op, path, value })).to.equal(expected);
    });
  }

  for (const [type, [right, wrong]] of Object.entries(TYPES)) {
    it(`type knows ${type}`, () => {
      const is = (text: string): boolean => predicateOf(match({ op: 'type', path: '/t', value: type }))({ t: text });
      for (const text of right) expect(is(text), text).to.equal(true);
      for (const text of wrong) expect(is(text), text).to.equal(false);
    });
  }

  const folded: readonly (readonly [op: string, path: string, value: unknown])[] = [
    ['test', '/HTTP/headers/host', 'example.com'],
    ['test', '/list', ['A', { b: 'b' }]],
    ['in', '/HTTP/headers/host', ['other', 'EXAMPLE.com']],
    ['contains', '/HTTP/headers/host', 'PLE.c'],
    ['starts', '/HTTP/url/path', '/api'],
    ['ends', '/HTTP/headers/host', '.com'],
    ['matches', '/HTTP/url/path', '^/api'],
  ];
  for (const [op, path, value] of folded) {
    it(`${op} tells cases apart, unless it has ignore_case`, () => {
      expect(matches({ op, path, value })).to.equal(false);
      expect(matches({ op, path, value, ignore_case: true })).to.equal(true);
    });
  }

  it('that is a star, or absent, matches all', () => {
    expect(matches('*')).to.equal(true);
    expect(matches({ match: '*' })).to.equal(true);
    expect(predicateOf(undefined)(METADATA)).to.equal(true);
  });

  describe('of others', () => {
    const yes = { op: 'defined', path: '/IP' };
    const no = { op: 'defined', path: '/absent' };
    const rows: readonly (readonly [op: string, apply: object[], expected: boolean])[] = [
      ['and', [yes, yes], true],
      ['and', [yes, no], false],
      ['or', [no, yes], true],
      ['or', [no, no], false],
      ['not', [no], true],
      ['not', [yes], false],
      ['not', [no, no], true],
      ['not', [no, yes], false],
    ];
    for (const [op, apply, expected] of rows) {
      const parts = apply.map((part) => (part === yes ? 'true' : 'false')).join(', ');
      it(`${op} of ${parts} is ${String(expected)}`, () => {
        expect(matches({ op, apply })).to.equal(expected);
      });
    }

    it('has paths below its own', () => {
      const host = { op: 'ends', path: '/host', value: '.COM' };
      const headers = { op: 'or', path: '/headers', apply: [host] };
      expect(matches({ op: 'and', path: '/HTTP', apply: [headers, { op: 'defined', path: 'url' }] })).to.equal(true);
      expect(matches({ op: 'and', path: '/IP', apply: [headers] })).to.equal(false);
      expect(matches({ op: 'not', path: '/HTTP', apply: [{ op: 'and', path: '/url', apply: [host] }] })).to.equal(true);
    });
  });

  it('matches a text made to make an engine backtrack, and is done', () => {
    // With an engine that backtracks this is 2^200 steps: the test would not end.
    const predicate = predicateOf(match({ op: 'matches', path: '/t', value: '^/(a+)+$' }));
    expect(predicate({ t: `/${'a'.repeat(200)}!` })).to.equal(false);
    expect(predicate({ t: `/${'a'.repeat(200)}` })).to.equal(true);
  });

  for (const value of ['a(?=b)', '(?<!a)b', '(a)\\1', '[']) {
    it(`refuses the expression ${value}`, () => {
      expect(() => match({ op: 'matches', path: '/t', value })).to.throw('without look-around and back references');
    });
  }

  for (const [value, text] of Object.entries({
    '\\u{1F600}\\/': '😀/',
    '(?<part>\\w+)\\.x$': 'ab.x',
    '\\p{Lu}': 'É',
  })) {
    it(`knows JavaScript's ${value}`, () => {
      expect(predicateOf(match({ op: 'matches', path: '/t', value }))({ t: text })).to.equal(true);
    });
  }

  it('is compiled once', () => {
    const raw = match({ op: 'defined', path: '/IP' });
    expect(predicateOf(raw)).to.equal(predicateOf(raw));
  });
});
