import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { findToken, parseTokens } from '../../../../controlplane/security/tokens.ts';
import { FaultsError, formatFault } from '../../../../common/errors.ts';

const TOKEN = 'a-token-of-some-length';
const OTHER = 'another-token-of-some-length';

async function faultsOf(text: string): Promise<string[]> {
  try {
    await parseTokens(text);
  } catch (error) {
    return (error as FaultsError).faults.map(formatFault);
  }
  throw new Error('expected faults, found none');
}

describe('a file of tokens', () => {
  it('says who has which, and what it covers', async () => {
    const sha256 = createHash('sha256').update(OTHER).digest('hex');
    const entries = await parseTokens(`
- { name: ci, token: ${TOKEN}, roles: [admin] }
- { name: edge, sha256: ${sha256}, roles: [proxy, reader], nodes: [edge-*, core] }
`);
    expect(findToken(entries, TOKEN)).to.deep.equal({ name: 'token:ci', admin: true, reader: true, nodes: [] });
    expect(findToken(entries, OTHER)).to.deep.equal({
      name: 'token:edge',
      admin: false,
      reader: true,
      nodes: ['edge-*', 'core'],
    });
    expect(findToken(entries, `${TOKEN}x`)).to.equal(undefined);
    expect(findToken(entries, sha256), 'the digest itself is no token').to.equal(undefined);
    expect(findToken(entries, '')).to.equal(undefined);
  });

  it('says which labels the nodes may have', async () => {
    const entries = await parseTokens(`
- { name: a, token: ${TOKEN}, roles: [proxy], nodes: [a], labels: { tenant: a, site: [n, s] } }
- { name: b, token: ${OTHER}, roles: [proxy], nodes: [b], onlyLabels: true }
- { name: c, token: ${OTHER}1, roles: [proxy], nodes: [c], onlyLabels: false }
`);
    const labels = [TOKEN, OTHER, `${OTHER}1`].map((token) => findToken(entries, token)?.labels);
    expect(labels.map((each) => each && [[...each.values], each.only])).to.deep.equal([
      [
        [
          ['tenant', ['a']],
          ['site', ['n', 's']],
        ],
        false,
      ],
      [[], true],
      undefined,
    ]);
    expect(
      await faultsOf(`
- { name: a, token: ${TOKEN}, roles: [reader], labels: { a: b } }
- { name: b, token: ${OTHER}1, roles: [proxy], nodes: [b], labels: { tenant: 5, site: [], zone: [n, 7] } }
- { name: c, token: ${OTHER}2, roles: [proxy], nodes: [c], labels: [tenant], onlyLabels: maybe }
`),
    ).to.deep.equal([
      '[0]: expected no labels, or the role proxy, found labels without it (line 2)',
      '[1].labels.tenant: expected a string, or a list of strings (numbers in quotes), found a number (line 3)',
      '[1].labels.site: expected at least one value, found none (line 3)',
      '[1].labels.zone: expected a string, or a list of strings (numbers in quotes), found a list (line 3)',
      '[2].onlyLabels: expected true or false, found "maybe" (line 4)',
      '[2].labels: expected labels with the value, or the list of values, that each may have, found a list (line 4)',
    ]);
  });

  it('may be empty: then nobody has one', async () => {
    expect(await parseTokens('[]')).to.deep.equal([]);
  });

  it('is refused with all faults and their lines, none of which shows a token', async () => {
    const faults = await faultsOf(`
- { name: short, token: hunter2, roles: [admin] }
- { token: ${TOKEN}, roles: [root] }
- { name: both, token: ${TOKEN}, sha256: 00, roles: [admin] }
- { name: none, roles: [admin], color: red }
- { name: proxy, token: ${OTHER}1, roles: [proxy] }
- { name: nodes, token: ${OTHER}2, roles: [reader], nodes: [edge] }
- { name: star, token: ${OTHER}3, roles: [proxy], nodes: ['*-edge'] }
- { name: digest, sha256: ${'g'.repeat(64)}, roles: [] }
- text
`);
    expect(faults).to.deep.equal([
      '[0].token: expected at least 16 printable characters without spaces, found text of 7 (line 2)',
      '[1].name: expected a name, found nothing (line 3)',
      '[1].roles[0]: expected one of admin, reader, proxy, found "root" (line 3)',
      '[2]: expected token or sha256, found both (line 4)',
      '[3].color: expected one of name, token, sha256, roles, nodes, labels, onlyLabels, found "color" (line 5)',
      '[3]: expected token or sha256, found neither (line 5)',
      '[4].nodes: expected the nodes that it may be; "*" is any, found none (line 6)',
      '[5].nodes: expected no nodes, or the role proxy, found 1 (line 7)',
      '[6].nodes[0]: expected a * only at the end, found "*-edge" (line 8)',
      '[7].sha256: expected the SHA-256 of a token in 64 hexadecimal digits, found text of 64 (line 9)',
      '[7].roles: expected at least one role, found none (line 9)',
      '[8]: expected an object with name, token or sha256, and roles, found text of 4 (line 10)',
    ]);
  });

  it('has each name and each token once', async () => {
    const faults = await faultsOf(`
- { name: a, token: ${TOKEN}, roles: [admin] }
- { name: a, token: ${OTHER}, roles: [admin] }
- { name: b, token: ${TOKEN}, roles: [reader] }
- name: c
  roles: [reader]
  sha256: ${createHash('sha256').update(OTHER).digest('hex')}
`);
    expect(faults).to.deep.equal([
      '[1].name: expected a name of its own, found that of [0] (line 3)',
      '[2].token: expected a token of its own, found that of [0] (line 4)',
      '[3].sha256: expected a token of its own, found that of [1] (line 7)',
    ]);
  });

  for (const [where, text, found, expected = 'a list of tokens'] of [
    ['is all that is there', TOKEN, 'text of 22'],
    ['is all that is there, in digits', '1234567890123456', 'a number'],
    ['is a number', '- { name: a, token: 1234567890123456, roles: [admin] }', 'a number', /^at least 16/u],
    ['is a part of its key', `- { name: a, token:${TOKEN}, roles: [admin] }`, 'a key of 28', /^one of name/u],
    ['is a role', `- { name: a, token: ${OTHER}, roles: [${TOKEN}] }`, 'text of 22', /^one of admin/u],
    ['is all roles', `- { name: a, token: ${OTHER}, roles: ${TOKEN} }`, 'text of 22', /^a list of admin/u],
    ['is no YAML', `- { name: a, token: !${TOKEN} x }`, 'text that cannot be read as that', 'YAML or JSON'],
    ['is an alias', `- { name: a, token: *${TOKEN} }`, 'text that cannot be read as that', 'YAML or JSON'],
  ] as const) {
    it(`shows no token that ${where}`, async () => {
      const error: unknown = await parseTokens(text).catch((reason: unknown) => reason);
      if (!(error instanceof FaultsError)) throw new Error('expected faults');
      const [fault] = error.faults;
      expect(fault?.found).to.equal(found);
      expect(fault?.expected).to.match(typeof expected === 'string' ? new RegExp(`^${expected}$`, 'u') : expected);
      expect(fault?.line ?? 1).to.equal(1);
      expect(`${error.message} ${JSON.stringify(error.faults)}`).to.not.match(new RegExp(`${TOKEN}|123456`, 'u'));
    });
  }

  it('is a list', async () => {
    expect(await faultsOf('name: ci')).to.deep.equal(['configuration: expected a list of tokens, found an object']);
  });
});
