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
      '[3].color: expected one of name, token, sha256, roles, nodes, found "color" (line 5)',
      '[3]: expected token or sha256, found neither (line 5)',
      '[4].nodes: expected the nodes that it may be; "*" is any, found none (line 6)',
      '[5].nodes: expected no nodes, or the role proxy, found edge (line 7)',
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
`);
    expect(faults).to.deep.equal([
      '[1].name: expected a name of its own, found that of [0] (line 3)',
      '[2].name: expected a token of its own, found that of [0] (line 4)',
    ]);
  });

  it('is a list', async () => {
    expect(await faultsOf('name: ci')).to.deep.equal(['configuration: expected a list of tokens, found an object']);
  });
});
