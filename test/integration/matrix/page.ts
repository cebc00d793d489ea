/** The table of docs/protocols.md: the pairs that the matrix tests, and what they keep. */
import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { format } from 'prettier';

const PAGE = 'docs/protocols.md';
const BEGIN = '<!-- The matrix test writes this. -->';
const END = '<!-- Until here. -->';

/** Compares the table in the page with what it should be, or writes it where UPDATE is set. */
export async function checkPage(
  rows: readonly string[],
  columns: readonly string[],
  cell: (row: string, column: string) => string,
): Promise<void> {
  const lines = [
    ['from \\ to', ...columns],
    ['---', ...columns.map(() => '---')],
    ...rows.map((row) => [row, ...columns.map((column) => cell(row, column))]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  const page = await readFile(PAGE, 'utf8');
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  const text = `${before ?? ''}${BEGIN}\n\n${lines.join('\n')}\n\n${END}${after ?? ''}`;
  const made = await format(text, { parser: 'markdown', printWidth: 140 });
  if (process.env['UPDATE']) await writeFile(PAGE, made);
  else expect(page).to.equal(made);
}
