/** Tables as terminals show them. */

/** Columns as wide as their widest cell, two spaces apart; each line with its end. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [header, ...rows].map((row) => formatRow(row, widths)).join('');
}

/** One line of a table whose columns are so wide at least. */
export function formatRow(row: readonly string[], widths: readonly number[]): string {
  const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return `${line.trimEnd()}\n`;
}
