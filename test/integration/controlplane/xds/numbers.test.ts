/** Every rule of docs/xds.md has its tests, in one place, under its number. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

describe('rules of the discovery service: their numbers', () => {
  it('each have one suite', () => {
    const page = readFileSync('docs/xds.md', 'utf8').split(/^## /mu);
    const section = page.find((text) => text.startsWith('Rules\n')) ?? '';
    const rules = [...section.matchAll(/^(\d+)\. /gmu)].map(([, number]) => Number(number));
    const here = import.meta.dirname;
    const suites = readdirSync(here)
      .flatMap((file) => [...readFileSync(join(here, file), 'utf8').matchAll(/^ {2}describe\(['"]rule (\d+): /gmu)])
      .map(([, number]) => Number(number))
      .sort((one, other) => one - other);
    expect(rules).not.to.deep.equal([]);
    expect(suites).to.deep.equal(rules);
  });
});
