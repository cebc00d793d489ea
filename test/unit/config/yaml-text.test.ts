import { expect } from 'chai';
import { loadText } from '../../../config/load.ts';
import { mock } from 'node:test';
import { Alias } from 'yaml';
import { parseText } from '../../../config/parse.ts';
import { FaultsError, formatFault } from '../../../common/errors.ts';

/** What is wrong with a text, as people read it. */
async function faultsOf(text: string): Promise<string[]> {
  try {
    await loadText(text);
  } catch (error) {
    if (error instanceof FaultsError) return error.faults.map(formatFault);
    throw error;
  }
  return [];
}

describe('The text of a configuration', () => {
  const accepted: Record<string, [text: string, value: unknown]> = {
    'is JSON': ['{"clusters": []}', { clusters: [] }],
    'is JSON behind a byte order mark': ['\uFEFF{"clusters": []}', { clusters: [] }],
    'is YAML': ['clusters: []\n', { clusters: [] }],
    'is YAML in flow style, which begins like JSON': ['{clusters: [], # none\n}', { clusters: [] }],
    'is empty': ['', null],
    'has anchors and merges': ['a: &a {x: 1}\nb: {<<: *a, y: 2}\n', { a: { x: 1 }, b: { x: 1, y: 2 } }],
    'gives an anchor again': ['- &a 1\n- *a\n- &a 2\n- *a\n', [1, 1, 2, 2]],
    'has text that looks like aliases and brackets': [
      `- |\n  *bold*\n${'- |\n  [\n'.repeat(3000)}`,
      ['*bold*\n', ...Array<string>(3000).fill('[\n')],
    ],
    'merges several mappings': ['a: &a {x: 1}\nb:\n  <<: *a\n  <<: {y: 2}\n', { a: { x: 1 }, b: { x: 1, y: 2 } }],
  };
  for (const [what, [text, value]] of Object.entries(accepted)) {
    it(what, async () => {
      expect((await parseText(text)).raw ?? null).to.deep.equal(value);
    });
  }

  const refused: Record<string, [text: string, ...faults: RegExp[]]> = {
    'what is neither JSON nor YAML': ['a: [1\nb: 2\n', /expected YAML or JSON.*line/u],
    'a key that stands twice': ['a: 1\nb: 2\na: 3\n', /expected each key once, found "a" again \(line 3\)/u],
    'a second document': ['a: 1\n---\nb: 2\n', /expected one document, found 2 \(line 2\)/u],
    'a tag that is unknown': ['a: !thing 1\n', /Unresolved tag: !thing \(line 1\)/u],
    'an alias of nothing': ['a: 1\nb: *a\n', /expected an anchor &a before it, found \*a \(line 2\)/u],
    'a merge of no mapping': ['a: 1\n<<: text\n', /expected a mapping to merge.*\(line 2\)/u],
    'a key that is a list': ['? [a]\n: 1\n', /expected a key that is text/u],
    'an alias that holds itself': ['a: &a [*a]\n', /expected aliases of at most 100000 values, found \*a in itself/u],
    'aliases that explode': [
      Array.from(
        { length: 9 },
        (_, n) =>
          `a${n}: &a${n} [${Array(10)
            .fill(n === 0 ? 'x' : `*a${n - 1}`)
            .join()}]`,
      ).join('\n'),
      /expected aliases of at most 100000 values/u,
    ],
    'what nests too deep': ['- '.repeat(20_000), /expected YAML or JSON of few levels/u],
    'what nests so deep that it ended the process': ['- '.repeat(500_000), /expected YAML or JSON of few levels/u],
    'as many brackets': ['['.repeat(1_000_000), /expected YAML or JSON of few levels/u],
    'as many objects': ['{a: '.repeat(200_000), /expected YAML or JSON of few levels/u],
    'more tags than anybody writes': [
      `a:\n${'  - !x 1\n'.repeat(100_000)}`,
      /expected at most 2000 tags, anchors and aliases, found more \(line 2002\)/u,
    ],
    'more aliases than the parser can look up': [
      `a: &a x\nb:\n${'  - *a\n'.repeat(100_000)}`,
      /expected at most 2000 tags, anchors and aliases, found more \(line 2002\)/u,
    ],
    'as many anchors at one place': ['&a '.repeat(300_000), /expected at most 2000 .*, found more \(line 1\)/u],
    'more levels of lines than of brackets': [
      Array.from({ length: 250 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
      /expected YAML or JSON of few levels/u,
    ],
    'many levels of lines': [
      Array.from({ length: 1400 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
      /expected YAML or JSON of few levels/u,
    ],
  };
  it('looks its aliases up once', async () => {
    const text = `a: &a x\nb:\n${'  - *a\n'.repeat(1900)}c:\n${'  - {x: 1}\n'.repeat(40_000)}`;
    const resolve = mock.method(Alias.prototype, 'resolve');
    try {
      expect((await parseText(text)).raw)
        .to.have.property('b')
        .with.length(1900);
    } finally {
      resolve.mock.restore();
    }
    // Each that does not share what the others have found looks through the whole document: 150 million values in all.
    const shared = new Set(resolve.mock.calls.map(({ arguments: [, context] }) => context));
    expect(shared.size).to.be.at.most(1);
    expect(shared.has(undefined)).to.equal(false);
  });

  for (const [what, [text, ...expected]] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      const faults = await faultsOf(text);
      expected.forEach((fault, index) => expect(faults[index]).to.match(fault));
    });
  }

  it('tells the lines of all faults, in order, in YAML and in JSON', async () => {
    const lines = [
      '{"listeners": [{"name": "l",',
      '  "spec": {"protocol": "UDP", "port": 70000},',
      '  "rules": [{"action": {"route": "r", "rewrites": []}}]}],',
      ' "clusters": [{"name": "c", "spec": {"protocol": "Echo"}, "endpoints": [{"spec": {"address": 1.5, "port": "x"}}],',
      '  "framing": "lines"}]}',
    ];
    const faults = await faultsOf(lines.join('\n'));
    expect(faults.map((fault) => fault.replace(/: expected.*(?=\(line)/u, ' '))).to.deep.equal([
      'listeners[0].spec.port (line 2)',
      'listeners[0].rules[0].action.rewrites (line 3)',
      'clusters[0].endpoints[0].spec.port (line 4)',
      'clusters[0].framing (line 5)',
    ]);
    expect(await faultsOf(`# a comment\n${lines.join('\n')}`)).to.have.length(4);
  });

  it('tells the line of what holds a field that is missing', async () => {
    expect(await faultsOf('clusters:\n  - name: a\n    spec: echo\n  - name: b\n')).to.deep.equal([
      'clusters[1].spec: expected an object with a protocol, or an address in one line, found nothing (line 4)',
    ]);
  });

  it('tells the line in what an alias stands for', async () => {
    const faults = await faultsOf('clusters:\n- name: a\n  spec: &s {protocol: TCP, prot: 1}\n- name: b\n  spec: *s\n');
    expect(faults.map((fault) => fault.replace(/: expected.*(?=\(line)/u, ' '))).to.deep.equal([
      'clusters[0].spec.prot (line 3)',
      'clusters[1].spec.prot (line 3)',
    ]);
  });
});
