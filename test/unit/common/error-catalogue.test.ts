import { readFileSync } from 'node:fs';
import { expect } from 'chai';

describe('the catalogue of errors', () => {
  it('has each code that there is, once, and no other', () => {
    const source = readFileSync('common/errors.ts', 'utf8');
    const union = /export type ErrorCode =([^;]*);/u.exec(source)?.[1] ?? '';
    const codes = [...union.matchAll(/'([A-Z_]+)'/gu)].map(([, code]) => code);
    const rows = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_]+)` +\|/gmu)].map(([, code]) => code);
    expect(codes).to.have.length.above(30);
    expect(rows).to.have.members(codes).and.to.have.length(codes.length);
  });
});
